"""S3 as an object store."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import field, frozen

from nemeton.spi.objects import ObjectInfo, ObjectLocation, ObjectStore, ObjectStoreError

log = logging.getLogger(__name__)

_PIECE_BYTES = 1 << 20
_DELETE_AT_A_TIME = 1000
_PART_BYTES = 16 << 20
_MISSING = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NotFound"})


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Tell failures of boto3 as the SPI wants them."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        raise ObjectStoreError(f"{what}: {error}", is_missing=code in _MISSING) from error
    except BotoCoreError as error:
        raise ObjectStoreError(f"{what}: {error}") from error


@frozen
class S3ObjectStore(ObjectStore):
    """S3, or whatever speaks its protocol. ``put_options`` go with what is stored, ``get_options`` with what is read.

    Large files are stored in parts; botocore tries each request again, with growing pauses, before it gives up.
    """

    make_client: Callable[[], Any]
    put_options: Mapping[str, Any] = field(factory=dict)
    get_options: Mapping[str, Any] = field(factory=dict, repr=False)
    max_listing_length: int = 1024

    def put(self, file: Path, to: ObjectLocation) -> None:
        """See :class:`ObjectStore`."""
        from boto3.exceptions import S3UploadFailedError
        from boto3.s3.transfer import TransferConfig

        config = TransferConfig(multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, max_concurrency=4)
        with _told(f"Cannot store [s3://{to}]"):
            try:
                self.make_client().upload_file(
                    str(file), to.bucket, to.key, ExtraArgs=dict(self.put_options), Config=config
                )
            except S3UploadFailedError as error:
                raise error.__context__ or ObjectStoreError(f"Cannot store [s3://{to}]: {error}") from error

    def read(self, location: ObjectLocation, start: int = 0) -> Iterator[bytes]:
        """See :class:`ObjectStore`."""
        what = f"Cannot read [s3://{location}]"
        wanted = {"Range": f"bytes={start}-"} if start else {}
        with _told(what):
            answer = self.make_client().get_object(
                Bucket=location.bucket, Key=location.key, **wanted, **self.get_options
            )
        return _pieces(what, answer["Body"])

    def find(self, location: ObjectLocation) -> ObjectInfo | None:
        """See :class:`ObjectStore`."""
        try:
            with _told(f"Cannot look for [s3://{location}]"):
                head = self.make_client().head_object(Bucket=location.bucket, Key=location.key, **self.get_options)
        except ObjectStoreError as error:
            if error.is_missing:
                return None
            raise
        return ObjectInfo(location, head["ContentLength"], _millis(head["LastModified"]))

    def list_objects(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        """See :class:`ObjectStore`."""
        with _told(f"Cannot list [s3://{bucket}/{prefix}]"):
            pages = self.make_client().get_paginator("list_objects_v2")
            sizes = {"PageSize": min(self.max_listing_length, 1000)}
            for page in pages.paginate(Bucket=bucket, Prefix=prefix, PaginationConfig=sizes):
                for found in page.get("Contents", ()):
                    place = ObjectLocation(bucket, found["Key"])
                    yield ObjectInfo(place, found.get("Size", 0), _millis(found.get("LastModified")))

    def delete(self, locations: Iterable[ObjectLocation]) -> Mapping[ObjectLocation, str]:
        """See :class:`ObjectStore`: a thousand at a time."""
        by_bucket: dict[str, list[str]] = defaultdict(list)
        for location in locations:
            by_bucket[location.bucket].append(location.key)
        failures: dict[ObjectLocation, str] = {}
        for bucket, keys in by_bucket.items():
            for first in range(0, len(keys), _DELETE_AT_A_TIME):
                failures |= self._delete_some(bucket, keys[first : first + _DELETE_AT_A_TIME])
        return failures

    def _delete_some(self, bucket: str, keys: list[str]) -> dict[ObjectLocation, str]:
        wanted = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        try:
            with _told(f"Cannot remove {len(keys)} objects of bucket [{bucket}]"):
                answer = self.make_client().delete_objects(Bucket=bucket, Delete=wanted)
        except ObjectStoreError as error:
            return dict.fromkeys((ObjectLocation(bucket, key) for key in keys), error.message)
        return {
            ObjectLocation(bucket, each["Key"]): f"{each.get('Code')}: {each.get('Message')}"
            for each in answer.get("Errors", ())
            if each.get("Code") not in _MISSING
        }

    def copy(self, source: ObjectLocation, target: ObjectLocation) -> None:
        """See :class:`ObjectStore`; a large object is copied in parts. What reads the original needs its key, too."""
        with _told(f"Cannot copy [s3://{source}] to [s3://{target}]"):
            self.make_client().copy(
                {"Bucket": source.bucket, "Key": source.key},
                target.bucket,
                target.key,
                ExtraArgs={**self.put_options, **{f"CopySource{name}": key for name, key in self.get_options.items()}},
            )


def _pieces(what: str, body: Any) -> Iterator[bytes]:
    """Generator over the body; the connection is given back however it ends."""
    with body, _told(what):
        yield from body.iter_chunks(_PIECE_BYTES)


def _millis(moment: Any) -> int:
    """Some servers show what stands for a folder without size and time."""
    return 0 if moment is None else int(moment.timestamp() * 1000)
