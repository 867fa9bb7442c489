"""Layers of properties, references in them, and where each value comes from."""

import pytest

from nemeton.config import ConfigurationError, load_properties


@pytest.fixture
def tree(tmp_path):
    """A configuration tree as Druid ships it: conf/druid/cluster/{_common,query/broker}."""
    common = tmp_path / "cluster" / "_common"
    broker = tmp_path / "cluster" / "query" / "broker"
    common.mkdir(parents=True)
    broker.mkdir(parents=True)
    (common / "common.runtime.properties").write_text("druid.host=one\ndruid.emitter=noop\n")
    (broker / "runtime.properties").write_text("# the role's own\n\ndruid.host=two\ndruid.plaintextPort=8082\n")
    return broker


def load(folder, overrides=(), environment=None):
    return load_properties(folder, overrides=overrides, environment=environment or {})


def test_the_common_file_is_found_in_a_parent_and_the_role_wins(tree):
    properties = load(tree)
    assert properties["druid.emitter"] == "noop"
    assert properties["druid.host"] == "two"


def test_environment_beats_files_and_d_beats_all(tree):
    properties = load(tree, ["druid.host=four"], {"druid_host": "three", "druid_emitter": "logging", "OTHER": "x"})
    assert properties["druid.host"] == "four"
    assert properties["druid.emitter"] == "logging"
    assert "OTHER" not in properties


def test_each_property_knows_file_and_line(tree):
    properties = load(tree, ["druid.x=1"], {"druid_y": "2"})
    assert str(properties.origin("druid.plaintextPort")) == f"{tree / 'runtime.properties'}:4"
    assert str(properties.origin("druid.x")) == "-D"
    assert str(properties.origin("druid.y")) == "environment variable druid_y"


def test_references_are_replaced(tree, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    properties = load(
        tree,
        [
            "druid.a=${env:HOST_NAME}:1",
            "druid.b=${sys:my.name}",
            f"druid.c=${{file:UTF-8:{secret}}}",
            "druid.d=${env:MISSING:-fallback}",
            "my.name=nemeton",
        ],
        {"HOST_NAME": "h"},
    )
    assert [properties[f"druid.{key}"] for key in "abcd"] == ["h:1", "nemeton", "s3cret", "fallback"]


def test_all_faults_are_told_at_once_with_their_places(tree):
    (tree / "runtime.properties").write_text("druid.a=${env:NOT_THERE}\ndruid.b=${file:/not/there}\n")
    with pytest.raises(ConfigurationError) as raised:
        load(tree, ["no-equals-sign"])
    text = str(raised.value)
    assert "runtime.properties:1: property [druid.a]" in text
    assert "NOT_THERE" in text
    assert "runtime.properties:2: property [druid.b]" in text
    assert "no-equals-sign" in text


def test_a_folder_without_properties_is_a_clear_error(tmp_path):
    with pytest.raises(ConfigurationError, match=r"holds no runtime\.properties"):
        load(tmp_path)
    with pytest.raises(ConfigurationError, match="is not a folder"):
        load(tmp_path / "nowhere")


def test_secrets_are_never_shown():
    properties = load(
        None, ["druid.metadata.storage.connector.password=hunter2", "druid.s3.secretKey=k", "druid.host=h"]
    )
    assert "hunter2" not in repr(properties)
    assert "hunter2" not in str(properties.shown())
    assert properties.shown()["druid.host"] == "h"
