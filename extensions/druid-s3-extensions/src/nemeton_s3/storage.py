"""Deep storage and task logs on S3, laid out as Druid's."""

from __future__ import annotations

from nemeton.common.errors import invalid_input
from nemeton.plugins import json_type
from nemeton.spi.objects import ObjectLocation
from nemeton.spi.storage import DataSegmentArchiver, DataSegmentPusher
from nemeton.storage.objects import ObjectDataSegmentArchiver, ObjectDeepStorage, ObjectTaskLogs, SegmentLayout
from nemeton_s3.clients import Encryption, S3Clients
from nemeton_s3.config import S3StorageConfig, S3TaskLogsConfig, grants
from nemeton_s3.store import S3ObjectStore


@json_type("s3", "s3_zip")
class S3DeepStorage(ObjectDeepStorage):
    """``druid.storage.type=s3``; segments that Druid stored are read, and Druid reads those that are stored here."""

    def __init__(self, config: S3StorageConfig, clients: S3Clients, encryption: Encryption) -> None:
        store = S3ObjectStore(
            lambda: clients.client,
            {**grants(config.disable_acl), **encryption.put},
            encryption.get,
            config.max_listing_length,
        )
        schema = {"S3Schema": "s3a" if config.use_s3a_schema else "s3n"}
        super().__init__(store, SegmentLayout(ObjectLocation(config.bucket, config.base_key), "s3_zip", schema))
        self._config = config

    @property
    def pusher(self) -> DataSegmentPusher:
        """What pushes below ``druid.storage.baseKey``; an error when no bucket is configured."""
        if not self._config.bucket:
            raise invalid_input("druid.storage.bucket must be set for druid.storage.type=s3")
        return super().pusher

    @property
    def archiver(self) -> DataSegmentArchiver:
        """What moves below ``druid.storage.archiveBaseKey`` and back; without the buckets' names it raises."""
        archived = ObjectLocation(self._config.archive_bucket, self._config.archive_base_key)
        return ObjectDataSegmentArchiver(self.mover, archived)


@json_type("s3")
class S3TaskLogs(ObjectTaskLogs):
    """``druid.indexer.logs.type=s3``."""

    def __init__(self, config: S3TaskLogsConfig, clients: S3Clients, encryption: Encryption) -> None:
        if not config.s3_bucket:
            raise invalid_input("druid.indexer.logs.s3Bucket must be set for druid.indexer.logs.type=s3")
        store = S3ObjectStore(lambda: clients.client, {**grants(config.disable_acl), **encryption.put}, encryption.get)
        super().__init__(store, ObjectLocation(config.s3_bucket, config.s3_prefix))
