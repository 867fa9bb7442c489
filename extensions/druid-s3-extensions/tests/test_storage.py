"""Segments and task logs in S3."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from botocore.awsrequest import AWSResponse
from urllib3 import HTTPResponse

from nemeton.common.errors import DruidException
from nemeton.config.passwords import DefaultPasswordProvider
from nemeton.spi.objects import ObjectLocation
from nemeton.spi.storage import SegmentLoadingError
from nemeton.testkit.suites.deep_storage import DeepStorageSuite, make_segment, write_files
from nemeton.testkit.suites.task_logs import TaskLogsSuite
from nemeton_s3.clients import Encryption
from nemeton_s3.config import (
    S3StorageConfig,
    S3TaskLogsConfig,
    ServerSideEncryptionConfig,
    SseCustomConfig,
    SseKmsConfig,
    SseType,
)
from nemeton_s3.storage import S3DeepStorage, S3TaskLogs
from nemeton_s3.store import S3ObjectStore


@pytest.fixture
def storage(clients, bucket, s3):
    config = S3StorageConfig(
        bucket=bucket,
        base_key="/druid/segments/",
        disable_acl=True,
        archive_bucket=s3.create_bucket("archive"),
        archive_base_key="/druid/old/",
    )
    return S3DeepStorage(config, clients, Encryption())


class TestS3DeepStorage(DeepStorageSuite):
    @pytest.fixture
    def storage(self, storage):
        return storage

    @pytest.fixture
    def move_target(self, s3):
        return {"bucket": s3.create_bucket("elsewhere"), "baseKey": "cold"}


class TestS3TaskLogs(TaskLogsSuite):
    @pytest.fixture
    def task_logs(self, clients, bucket):
        return S3TaskLogs(
            S3TaskLogsConfig(s3_bucket=bucket, s3_prefix="druid/logs", disable_acl=True), clients, Encryption()
        )


def test_segments_lie_where_druid_looks_for_them(storage, bucket, s3, tmp_path: Path):
    write_files(tmp_path / "made")
    pushed = storage.pusher.push(tmp_path / "made", make_segment(3))
    key = "druid/segments/testkit/2013-01-01T00:00:00.000Z_2013-01-02T00:00:00.000Z/2020-01-01/3/index.zip"
    assert pushed.load_spec == {"type": "s3_zip", "bucket": bucket, "key": key, "S3Schema": "s3n"}
    assert (s3.folder / "data" / bucket / key).is_file()


def test_the_archive_has_the_layout_of_what_it_keeps(storage, s3, tmp_path: Path):
    write_files(tmp_path / "made")
    pushed = storage.pusher.push(tmp_path / "made", make_segment(3), use_unique_path=True)
    archived = storage.archiver.archive(pushed)
    key = "druid/old/testkit/2013-01-01T00:00:00.000Z_2013-01-02T00:00:00.000Z/2020-01-01/3/index.zip"
    assert archived.load_spec == {**pushed.load_spec, "bucket": archived.load_spec["bucket"], "key": key}
    assert (s3.folder / "data" / archived.load_spec["bucket"] / key).is_file()
    restored = storage.archiver.restore(archived)
    assert restored.load_spec["key"] == key.replace("druid/old/", "druid/segments/")


def test_an_archive_needs_a_bucket(clients, bucket, tmp_path: Path):
    storage = S3DeepStorage(S3StorageConfig(bucket=bucket, disable_acl=True), clients, Encryption())
    write_files(tmp_path / "made")
    pushed = storage.pusher.push(tmp_path / "made", make_segment())
    with pytest.raises(SegmentLoadingError, match="Target bucket is not specified"):
        storage.archiver.archive(pushed)


def test_all_below_the_base_key_goes(storage, tmp_path: Path):
    write_files(tmp_path / "made")
    pushed = storage.pusher.push(tmp_path / "made", make_segment())
    storage.killer.kill_all()
    with pytest.raises(SegmentLoadingError):
        storage.puller.pull(pushed.load_spec, tmp_path)


def test_wrong_credentials_are_told_as_such(make_clients, bucket, tmp_path: Path):
    storage = S3DeepStorage(S3StorageConfig(bucket=bucket), make_clients("wrong"), Encryption())
    write_files(tmp_path / "made")
    with pytest.raises(DruidException, match=r"Cannot store .*(SignatureDoesNotMatch|Forbidden|403|signature)"):
        storage.pusher.push(tmp_path / "made", make_segment())


def test_a_missing_bucket_is_named(clients, tmp_path: Path):
    with pytest.raises(DruidException, match=r"druid\.storage\.bucket must be set"):
        _ = S3DeepStorage(S3StorageConfig(), clients, Encryption()).pusher
    with pytest.raises(DruidException, match=r"druid\.indexer\.logs\.s3Bucket must be set"):
        S3TaskLogs(S3TaskLogsConfig(), clients, Encryption())
    storage = S3DeepStorage(S3StorageConfig(bucket="no-such-bucket", disable_acl=True), clients, Encryption())
    write_files(tmp_path / "made")
    with pytest.raises(DruidException, match="NoSuchBucket"):
        storage.pusher.push(tmp_path / "made", make_segment())


def test_a_server_that_is_away_for_a_while_is_waited_for(storage, s3, tmp_path: Path):
    """botocore tries again; a server that restarts is no fault."""
    files = write_files(tmp_path / "made")
    pushed = storage.pusher.push(tmp_path / "made", make_segment())
    s3.restart()
    (tmp_path / "pulled").mkdir()
    assert storage.puller.pull(pushed.load_spec, tmp_path / "pulled") == sum(map(len, files.values()))


@pytest.mark.parametrize(
    ("config", "custom", "expected"),
    [
        (ServerSideEncryptionConfig(), SseCustomConfig(), {}),
        (ServerSideEncryptionConfig(type=SseType.S3), SseCustomConfig(), {"ServerSideEncryption": "AES256"}),
        (
            ServerSideEncryptionConfig(type=SseType.KMS),
            SseCustomConfig(),
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "key"},
        ),
    ],
)
def test_encryption_is_asked_for_as_configured(config, custom, expected):
    assert Encryption.of(config, SseKmsConfig(key_id="key"), custom).put == expected


def test_encryption_with_a_key_of_ones_own_needs_the_key():
    with pytest.raises(ValueError, match="base64EncodedKey must be set"):
        Encryption.of(ServerSideEncryptionConfig(type=SseType.CUSTOM), SseKmsConfig(), SseCustomConfig())


def test_a_key_of_ones_own_goes_with_every_request_as_druid_sends_it(clients, bucket, tmp_path: Path):
    key = base64.b64encode(bytes(range(32))).decode()
    custom = SseCustomConfig(base64_encoded_key=DefaultPasswordProvider(key))
    encryption = Encryption.of(ServerSideEncryptionConfig(type=SseType.CUSTOM), SseKmsConfig(), custom)
    said = []

    def answer(request, **_):  # the server of the tests does not know such keys
        said.append(dict(request.headers))
        body = b"x" if request.method == "GET" else b"<CopyObjectResult/>"
        about = {"Content-Length": "1", "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        return AWSResponse(request.url, 200, about, HTTPResponse(io.BytesIO(body), preload_content=False))

    clients.client.meta.events.register("before-send.s3", answer)
    store = S3ObjectStore(lambda: clients.client, encryption.put, encryption.get)
    (tmp_path / "given").write_text("x")
    store.put(tmp_path / "given", ObjectLocation(bucket, "here"))
    store.copy(ObjectLocation(bucket, "here"), ObjectLocation(bucket, "there"))
    assert b"".join(store.read(ObjectLocation(bucket, "there"))) == b"x"
    header = "x-amz-server-side-encryption-customer-key"
    assert {headers[header].decode() for headers in said} == {key}
    [source] = [sent[name] for sent in said if (name := header.replace("x-amz", "x-amz-copy-source")) in sent]
    assert source.decode() == key
