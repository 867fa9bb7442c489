"""The properties of the extension."""

from __future__ import annotations

import getpass
import os
from typing import Any

from attrs import field, frozen, validators

from nemeton.config.configurator import SHOWN_DEFAULT


def _user() -> str:
    return os.environ.get("HADOOP_USER_NAME") or getpass.getuser()


@frozen(kw_only=True)
class WebHdfsConfig:
    """``druid.hadoop.webhdfs.*``: how HDFS is reached. Timeouts in milliseconds.

    ``urls`` are those of the NameNodes' web servers, the standby ones too (``http://namenode:9870``). Without them the
    host of a path is asked at port 9870.
    """

    urls: list[str] = field(factory=list)
    user: str = field(factory=_user, metadata={SHOWN_DEFAULT: "HADOOP_USER_NAME, or the process's user"})
    connect_timeout: int = field(default=10_000, validator=validators.gt(0))
    read_timeout: int = field(default=60_000, validator=validators.gt(0))
    max_tries: int = field(default=5, validator=validators.ge(1))


def _without_kerberos(_config: Any, attribute: Any, value: str | None) -> None:
    if value:
        raise ValueError(
            f"{attribute.name}: Kerberos is not supported here; put a gateway (Knox, or HttpFS with simple "
            "authentication) before HDFS, and name it in druid.hadoop.webhdfs.urls"
        )


@frozen(kw_only=True)
class HdfsKerberosConfig:
    """``druid.hadoop.security.kerberos.*``: refused, so that nobody believes to be authenticated who is not."""

    principal: str | None = field(default=None, validator=_without_kerberos)
    keytab: str | None = field(default=None, validator=_without_kerberos)


@frozen(kw_only=True)
class HdfsStorageConfig:
    """``druid.storage.*`` of type ``hdfs``: ``hdfs://namenode:8020/druid/segments``, or a path alone."""

    storage_directory: str = ""


@frozen(kw_only=True)
class HdfsTaskLogsConfig:
    """``druid.indexer.logs.*`` of type ``hdfs``."""

    directory: str = ""


def _lower(values: Any) -> tuple[str, ...]:
    return tuple(str(value).lower() for value in values)


@frozen(kw_only=True, slots=False)
class HdfsInputSourceConfig:
    """``druid.ingestion.hdfs.*``: what tasks may read."""

    allowed_protocols: tuple[str, ...] = field(default=("hdfs",), converter=_lower)
