"""Input from S3."""

from __future__ import annotations

import json as plain_json
import tempfile
from pathlib import Path

import pytest

from nemeton.common.errors import DruidException
from nemeton.spi.ingest import InputSource
from nemeton.spi.objects import ObjectLocation
from nemeton.testkit.suites.input_source import InputSourceSuite
from nemeton_s3.clients import S3Clients
from nemeton_s3.input_source import S3InputSource
from nemeton_s3.store import S3ObjectStore


@pytest.fixture
def filled(clients, bucket):
    """A bucket with four objects, one of them empty, and what some tools make as a folder."""
    store = S3ObjectStore(lambda: clients.client)
    with tempfile.TemporaryDirectory() as folder:
        for key, text in {"in/a.csv": "a", "in/b?.csv": "bb", "in/c.json": "ccc", "in/e.csv": "", "other": "o"}.items():
            (Path(folder) / "file").write_text(text)
            store.put(Path(folder) / "file", ObjectLocation(bucket, key))
    clients.client.put_object(Bucket=bucket, Key="in/folder/", Body=b"")
    return bucket


class TestS3InputSource(InputSourceSuite):
    @pytest.fixture
    def source(self, filled, clients) -> InputSource:
        return S3InputSource(prefixes=[f"s3://{filled}/in/"], clients=clients)

    @pytest.fixture
    def contents(self) -> list[bytes]:
        return [b"a", b"bb", b"ccc"]

    @pytest.fixture
    def missing_source(self, filled, clients) -> InputSource | None:
        return S3InputSource(uris=[f"s3://{filled}/in/none.csv"], clients=clients)

    @pytest.fixture
    def injected(self, clients):
        return {S3Clients: clients}


def texts(source: InputSource) -> list[bytes]:
    found = []
    for entity in source.entities():
        with entity.open() as stream:
            found.append(stream.read())
    return found


def test_objects_by_uri_one_by_one_and_by_glob(filled, clients):
    uri = f"s3://{filled}/in/b?.csv"
    assert texts(S3InputSource(uris=[uri, f"s3://{filled}/other"], clients=clients)) == [b"bb", b"o"]
    one = {"bucket": filled, "path": "in/c.json"}
    assert texts(S3InputSource(objects=[one], clients=clients)) == [b"ccc"]
    by_glob = S3InputSource(prefixes=[f"s3://{filled}/"], object_glob="*.csv", clients=clients)
    assert [entity.uri for entity in by_glob.entities()] == [f"s3://{filled}/in/a.csv", uri]


def test_exactly_one_way_to_say_which(clients):
    for wrong in ({}, {"uris": ["s3://b/k"], "prefixes": ["s3://b/"]}):
        with pytest.raises(DruidException, match="Exactly one of uris, prefixes or objects"):
            S3InputSource(clients=clients, **wrong)
    with pytest.raises(DruidException, match=r"must be of the form s3://bucket/key"):
        S3InputSource(uris=["https://b/k"], clients=clients)


def test_secrets_of_a_spec_go_on_to_its_sub_tasks_but_not_into_texts(filled, json, s3, monkeypatch, clients):
    """Properties of the spec take the place of the cluster's credentials; a sub task gets them with its split."""
    keys = s3.properties()
    monkeypatch.setenv("THE_SECRET", keys["druid.s3.secretKey"])
    spec = {
        "type": "s3",
        "prefixes": [f"s3://{filled}/in/"],
        "properties": {
            "accessKeyId": keys["druid.s3.accessKey"],
            "secretAccessKey": {"type": "environment", "variable": "THE_SECRET"},
        },
        "clientConfig": {"protocol": "http", "enablePathStyleAccess": True},
        "endpointConfig": {"url": s3.url.removeprefix("http://"), "signingRegion": "us-east-1"},
    }

    class Given:
        def get(self, key):
            return clients

    json.injector = Given()
    source = json.loads(plain_json.dumps(spec), InputSource)
    split = json.loads(json.dumps(next(iter(source.splits(1, 1)))), InputSource)
    assert texts(split) == [b"a"]
    assert keys["druid.s3.accessKey"] not in repr(split)
    bad = {**spec, "properties": {"accessKeyId": "somebody", "secretAccessKey": "else"}}
    with pytest.raises(DruidException, match="Cannot list"):
        texts(json.loads(plain_json.dumps(bad), InputSource))


def test_a_transfer_that_breaks_is_taken_up_where_it_broke(filled, clients, s3, monkeypatch, tmp_path):
    content = bytes(range(256)) * 40_000
    (tmp_path / "large").write_bytes(content)
    store = S3ObjectStore(lambda: clients.client)
    store.put(tmp_path / "large", ObjectLocation(filled, "large"))
    (entity,) = S3InputSource(uris=[f"s3://{filled}/large"], clients=clients).entities()
    with entity.open() as stream:
        first = stream.read(1 << 20)
        s3.restart()
        assert first + stream.read() == content
