"""The extension ``druid-hdfs-storage``: deep storage, task logs and input of the type ``hdfs``, over WebHDFS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemeton.spi import hookimpl, lazy

if TYPE_CHECKING:
    from nemeton.plugins import LazyType
    from nemeton.spi import Module

NEMETON_API = ">=1.0,<2"


@hookimpl
def deep_storages() -> list[type | LazyType]:
    """``druid.storage.type=hdfs``."""
    return [lazy("hdfs", "nemeton_hdfs.storage:HdfsDeepStorage")]


@hookimpl
def task_logs() -> list[type | LazyType]:
    """``druid.indexer.logs.type=hdfs``."""
    return [lazy("hdfs", "nemeton_hdfs.storage:HdfsTaskLogs")]


@hookimpl
def input_sources() -> list[type | LazyType]:
    """The input source ``hdfs``."""
    return [lazy("hdfs", "nemeton_hdfs.input_source:HdfsInputSource")]


@hookimpl
def druid_modules() -> list[type[Module]]:
    """``druid.hadoop.webhdfs.*``, ``druid.storage.*`` and ``druid.indexer.logs.*``."""
    from nemeton_hdfs.module import HdfsModule

    return [HdfsModule]
