from __future__ import annotations

import subprocess
import sys

import pytest

from nemeton.common.errors import DruidException
from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.spi.query import AggregatorFactory, PostAggregator

LOAD_LIST = {"druid.extensions.loadList": '["druid-datasketches"]'}
AGGREGATORS = [
    {"type": "thetaSketch", "name": "a", "fieldName": "f"},
    {"type": "HLLSketchBuild", "name": "a", "fieldName": "f"},
    {"type": "HLLSketchMerge", "name": "a", "fieldName": "f"},
    {"type": "quantilesDoublesSketch", "name": "a", "fieldName": "f"},
    {"type": "quantilesDoublesSketchMerge", "name": "a"},
    {"type": "KllDoublesSketch", "name": "a", "fieldName": "f"},
    {"type": "KllDoublesSketchMerge", "name": "a"},
    {"type": "KllFloatsSketch", "name": "a", "fieldName": "f"},
    {"type": "KllFloatsSketchMerge", "name": "a"},
    {"type": "arrayOfDoublesSketch", "name": "a", "fieldName": "f"},
]
BAD = [
    ({"type": "thetaSketch", "name": "a", "fieldName": "f", "size": 1000}, "power of 2"),
    ({"type": "thetaSketch", "name": "a"}, "fieldName"),
    ({"type": "HLLSketchBuild", "name": "a", "fieldName": "f", "lgK": 22}, "between 4 and 21"),
    ({"type": "HLLSketchBuild", "name": "a", "fieldName": "f", "tgtHllType": "HLL_5"}, "HLL_5"),
    ({"type": "HLLSketchMerge", "name": "a", "fieldName": "f", "stringEncoding": "latin"}, "latin"),
    ({"type": "quantilesDoublesSketch", "name": "a", "fieldName": "f", "k": 100}, "power of 2"),
    ({"type": "quantilesDoublesSketchMerge", "name": "a", "k": 0}, "power of 2"),
    ({"type": "KllDoublesSketch", "name": "a", "fieldName": "f", "k": 7}, "K must be"),
    ({"type": "KllFloatsSketchMerge", "name": "a", "k": 65536}, "K must be"),
    ({"type": "arrayOfDoublesSketch", "name": "a", "fieldName": "f", "nominalEntries": 3}, "power of 2"),
    (
        {"type": "arrayOfDoublesSketch", "name": "a", "fieldName": "f", "metricColumns": ["x"], "numberOfValues": 2},
        "must agree",
    ),
]
FIELD = {"type": "fieldAccess", "fieldName": "a"}
BAD_POSTS = [
    ({"type": "thetaSketchSetOp", "func": "XOR", "fields": [FIELD, FIELD]}, "XOR"),
    ({"type": "thetaSketchSetOp", "func": "UNION", "fields": [FIELD]}, r"Illegal number of fields\[1\]"),
    ({"type": "thetaSketchConstant", "value": ""}, "cannot be null or empty"),
    ({"type": "thetaSketchConstant", "value": "!!"}, "sketch"),
    ({"type": "HLLSketchUnion", "fields": [FIELD], "lgK": 3}, "between 4 and 21"),
    (
        {"type": "quantilesDoublesSketchToHistogram", "field": FIELD, "numBins": 3, "splitPoints": [1]},
        "Cannot accept both",
    ),
    ({"type": "arrayOfDoublesSketchTTest", "fields": [FIELD]}, "must be 2"),
    ({"type": "arrayOfDoublesSketchSetOp", "operation": "OR", "fields": [FIELD, FIELD]}, "OR"),
    ({"type": "arrayOfDoublesSketchToQuantilesSketch", "field": FIELD, "k": 3}, "power of 2"),
]


@pytest.fixture(scope="module")
def json():
    return Json(load_extensions(LOAD_LIST, ["nemeton.query.extension"]).registry)


def test_a_load_list_written_for_druid_loads_exactly_it():
    loaded = load_extensions(LOAD_LIST, ["nemeton.query.extension"])
    assert [s.name for s in loaded.statuses if s.state == "loaded" and not s.is_core] == ["druid-datasketches"]
    entries = loaded.registry.entries(PostAggregator).items()
    own = [entry for name, entry in entries if name == entry.name and "datasketches" in entry.load().__module__]
    assert len(own) == 4 + 4 + 18 + 12


def test_without_it_a_sketch_is_unknown_and_the_error_says_where_it_is():
    json = Json(load_extensions({"druid.extensions.loadList": "[]"}, ["nemeton.query.extension"]).registry)
    with pytest.raises(DruidException, match=r"thetaSketch.*druid-datasketches"):
        json.structure(AGGREGATORS[0], AggregatorFactory)


def test_loading_it_imports_nothing_heavy():
    code = (
        "import sys; from nemeton.plugins import load_extensions;"
        "s = load_extensions({'druid.extensions.loadList': '[\"druid-datasketches\"]'}, ()).statuses;"
        "assert 'loaded' in [x.state for x in s];"
        "sys.exit(','.join(m for m in ('datasketches', 'numpy') if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("spec", AGGREGATORS, ids=lambda spec: spec["type"])
def test_aggregators_are_read_and_written(json, spec):
    factory = json.structure(spec, AggregatorFactory)
    assert json.structure(json.unstructure(factory), AggregatorFactory) == factory
    assert factory.name == "a"
    combining = factory.combining_factory()
    assert combining.required_columns() == frozenset(["a"])
    assert json.structure(json.unstructure(combining), AggregatorFactory) == combining


@pytest.mark.parametrize(("spec", "message"), BAD, ids=lambda x: x["type"] if isinstance(x, dict) else x)
def test_bad_settings_of_aggregators_are_refused_as_bad_input(json, spec, message):
    with pytest.raises(DruidException, match=message) as caught:
        json.structure(spec, AggregatorFactory)
    assert caught.value.http_status == 400


@pytest.mark.parametrize(("spec", "message"), BAD_POSTS, ids=lambda x: x["type"] if isinstance(x, dict) else x)
def test_bad_settings_of_post_aggregators_are_refused_as_bad_input(json, spec, message):
    with pytest.raises(DruidException, match=message) as caught:
        json.structure({"name": "p", **spec}, PostAggregator)
    assert caught.value.http_status == 400
