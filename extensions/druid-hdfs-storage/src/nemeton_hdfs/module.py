"""Binds the extension's properties and its client."""

from __future__ import annotations

from nemeton.spi import Binder, Module
from nemeton_hdfs.config import (
    HdfsInputSourceConfig,
    HdfsKerberosConfig,
    HdfsStorageConfig,
    HdfsTaskLogsConfig,
    WebHdfsConfig,
)
from nemeton_hdfs.store import WebHdfsStore


class HdfsModule(Module):
    """In all roles: pullers, and input sources of tasks that are only passed on, need it everywhere."""

    def configure(self, binder: Binder) -> None:
        """``druid.hadoop.*``, ``druid.ingestion.hdfs.*``; ``druid.storage.*`` and ``druid.indexer.logs.*`` of HDFS."""
        binder.bind_config("druid.hadoop.webhdfs", WebHdfsConfig)
        binder.bind_config("druid.hadoop.security.kerberos", HdfsKerberosConfig)
        binder.bind_config("druid.ingestion.hdfs", HdfsInputSourceConfig)
        binder.bind_config("druid.storage", HdfsStorageConfig)
        binder.bind_config("druid.indexer.logs", HdfsTaskLogsConfig)
        binder.bind(WebHdfsStore)
