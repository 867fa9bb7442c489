"""Deep storage and task logs in HDFS, laid out as Druid's."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import evolve, frozen

from nemeton.common.errors import invalid_input
from nemeton.model import DataSegment
from nemeton.plugins import json_type
from nemeton.spi.objects import ObjectLocation
from nemeton.spi.storage import DataSegmentPusher
from nemeton.storage.objects import ObjectDeepStorage, ObjectTaskLogs, SegmentLayout, join_key
from nemeton.time import format_datetime
from nemeton_hdfs.config import HdfsKerberosConfig, HdfsStorageConfig, HdfsTaskLogsConfig
from nemeton_hdfs.paths import parse, to_uri
from nemeton_hdfs.store import WebHdfsStore

_INDEX_ZIP = "index.zip"


@frozen
class HdfsLayout(SegmentLayout):
    """``<root>/<dataSource>/<interval>/<version>/<partition>_[<uuid>_]index.zip``, no colons; named by ``path``."""

    def place(self, segment: DataSegment, use_unique_path: bool = False) -> ObjectLocation:
        """See :class:`SegmentLayout`."""
        interval = f"{_basic(segment.interval.start)}_{_basic(segment.interval.end)}"
        unique = f"{uuid.uuid4()}_" if use_unique_path else ""
        name = f"{segment.partition_num}_{unique}{_INDEX_ZIP}"
        key = join_key(self.root.key, segment.data_source, interval, segment.version.replace(":", "_"), name)
        return ObjectLocation(self.root.bucket, key)

    def load_spec(self, place: ObjectLocation) -> dict[str, Any]:
        """``{"type": "hdfs", "path": "hdfs://…"}``."""
        return {"type": self.load_spec_type, "path": to_uri(place)}

    def place_of(self, load_spec: Mapping[str, Any] | None) -> ObjectLocation:
        """See :class:`SegmentLayout`."""
        path = (load_spec or {}).get("path")
        if not isinstance(path, str) or not path.endswith(".zip"):
            raise invalid_input(f"[path] of a load spec of type [hdfs] must name a zip, but is [{path}]", field="path")
        return parse(path, "path")

    def moved_to(self, target: Mapping[str, Any]) -> SegmentLayout:
        """The target of a move says ``{"path": "hdfs://…/folder"}``."""
        path = target.get("path")
        if not isinstance(path, str):
            raise invalid_input("[path] is missing in the target of a move", field="path")
        return evolve(self, root=parse(path, "path"))


def _basic(millis: int) -> str:
    """ISO 8601 in its basic form, which has no colons: HDFS allows none in names."""
    text = format_datetime(millis)
    return text[0] + text[1:].replace("-", "").replace(":", "")  # the first may be the sign of a year


@json_type("hdfs")
class HdfsDeepStorage(ObjectDeepStorage):
    """``druid.storage.type=hdfs``; segments that Druid stored are read, and Druid reads those that are stored here."""

    def __init__(self, config: HdfsStorageConfig, store: WebHdfsStore, kerberos: HdfsKerberosConfig) -> None:
        self._is_configured = bool(config.storage_directory)
        root = parse(config.storage_directory or "/", "druid.storage.storageDirectory")
        super().__init__(store, HdfsLayout(root, "hdfs"))

    @property
    def pusher(self) -> DataSegmentPusher:
        """What pushes below ``druid.storage.storageDirectory``; an error when that is not set."""
        if not self._is_configured:
            raise invalid_input("druid.storage.storageDirectory must be set for druid.storage.type=hdfs")
        return super().pusher


@json_type("hdfs")
class HdfsTaskLogs(ObjectTaskLogs):
    """``druid.indexer.logs.type=hdfs``: files named as Druid names them."""

    NAMES: ClassVar = {"log": "", "report.json": ".reports.json", "status.json": ".status.json"}

    def __init__(self, config: HdfsTaskLogsConfig, store: WebHdfsStore, kerberos: HdfsKerberosConfig) -> None:
        if not config.directory:
            raise invalid_input("druid.indexer.logs.directory must be set for druid.indexer.logs.type=hdfs")
        super().__init__(store, parse(config.directory, "druid.indexer.logs.directory"))

    def key_of(self, task_id: str, name: str) -> str:
        """``<task id without colons>``, with an ending for what is not the log."""
        return task_id.replace(":", "_") + self.NAMES[name]
