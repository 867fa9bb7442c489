from __future__ import annotations

import enum
import math
from pathlib import Path
from typing import Any, Literal

import pytest
from attrs import define, field, frozen, validators
from hypothesis import given
from hypothesis import strategies as st

from nemeton.common.errors import DruidException, unsupported
from nemeton.json import Json, JsonError, camel_case, json_options, wire
from nemeton.plugins import TypeRegistry, extension_point, json_type, lazy
from nemeton.time import ETERNITY, Interval, Period


def _named(value: Any) -> Any:
    return {"type": "circle", "radius": value} if isinstance(value, int) else None


@extension_point(hook="shapes", name="shape", default="dot", shorthand=_named)
class Shape:
    """Base."""


@json_type("circle", "ring")
@frozen
class Circle(Shape):
    radius: float
    inner: Shape | None = None


@json_type("dot")
@frozen
class Dot(Shape):
    pass


@extension_point(hook="questions", name="question", tag="questionType")
class Question:
    """Base with a tag of its own."""


@json_type("why")
@frozen
class Why(Question):
    shapes: list[Shape]


class Service:
    pass


@frozen
class Needy:
    name: str
    service: Service = field(metadata=wire(injected=True))


HOUR = Period.parse("PT1H")


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class State(enum.StrEnum):
    RUNNING = "RUNNING"


@frozen
class Everything:
    required_name: str
    count: int = 3
    ratio: float = 0.5
    on: bool = False
    size: Size = Size.SMALL
    state: State = State.RUNNING
    tags: tuple[str, ...] = ()
    by_name: dict[str, list[int]] = field(factory=dict)
    either: int | str | list[str] = 0
    mode: Literal["a", "b"] = "a"
    interval: Interval = ETERNITY
    period: Period = HOUR
    path: Path = Path()
    raw: Any = None
    blob: bytes = b""
    _private: int = 0
    from_: int = 0
    created: int | None = field(default=None, metadata=wire("createdTime", aliases=("creationTime",), as_datetime=True))
    cache: int = field(default=7, metadata=wire(skip=True))


@pytest.fixture(scope="module")
def json() -> Json:
    registry = TypeRegistry()
    registry.add("shapes", Circle)
    registry.add("shapes", Dot)
    registry.add("questions", Why)
    return Json(registry)


def problem(json: Json, value: Any, cls: Any) -> str:
    with pytest.raises(JsonError) as caught:
        json.structure(value, cls)
    assert caught.value.http_status == 400
    return caught.value.message.removeprefix("Cannot read JSON at ")


# ---- fields


def test_absent_and_null_properties_take_their_defaults(json):
    expected = Everything("x")
    assert json.structure({"requiredName": "x"}, Everything) == expected
    assert json.structure({"requiredName": "x", "count": None, "tags": None, "interval": None}, Everything) == expected


def test_unknown_properties_are_ignored(json):
    assert json.structure({"requiredName": "x", "other": {"a": 1}}, Everything) == Everything("x")


def test_every_kind_of_field_goes_there_and_back(json):
    value = {
        "requiredName": "x",
        "count": 4,
        "ratio": 1.5,
        "on": True,
        "size": "large",
        "state": "RUNNING",
        "tags": ["a", "b"],
        "byName": {"k": [1, 2]},
        "either": ["q"],
        "mode": "b",
        "interval": "2013-01-01T00:00:00.000Z/2013-01-02T00:00:00.000Z",
        "period": "P1D",
        "path": "/x/y",
        "raw": {"deep": [None, {"z": 1}]},
        "blob": "AAE=",
        "private": 5,
        "from": 6,
        "createdTime": "2013-01-01T00:00:00.000Z",
    }
    read = json.structure(value, Everything)
    assert (read.created, read.blob, read.either, read._private) == (1356998400000, b"\0\1", ["q"], 5)
    assert json.unstructure(read) == value
    assert json.loads(json.dumps(read), Everything) == read


def test_aliases_are_read_and_never_written(json):
    read = json.structure({"requiredName": "x", "creationTime": 5}, Everything)
    assert read.created == 5
    assert "creationTime" not in json.unstructure(read)


def test_a_skipped_field_is_neither_read_nor_written(json):
    read = json.structure({"requiredName": "x", "cache": 9}, Everything)
    assert read.cache == 7
    assert "cache" not in json.unstructure(read)


def test_a_required_property_is_named(json):
    assert problem(json, {}, Everything) == "[$.requiredName]: is required"


def test_a_required_property_that_may_be_null_may_be_absent(json):
    @frozen
    class Loose:
        name: str | None
        anything: Any

    assert json.structure({}, Loose) == Loose(None, None)


def test_omitting(json):
    @json_options(omit_none=True)
    @frozen
    class Sparse:
        a: int | None = None
        b: list[int] = field(factory=list, metadata=wire(omit_default=True))
        c: int = 0

    assert json.unstructure(Sparse()) == {"c": 0}
    assert json.unstructure(Sparse(1, [2])) == {"a": 1, "b": [2], "c": 0}


def test_injected_fields_come_from_the_injector():
    class Injector:
        made = Service()

        def get(self, key: type) -> Any:
            assert key is Service
            return self.made

    json = Json(injector=Injector())
    read = json.structure({"name": "x", "service": "not from here"}, Needy)
    assert read.service is Injector.made
    assert json.unstructure(read) == {"name": "x"}
    with pytest.raises(JsonError, match=r"\$\.service.*no injector"):
        Json().structure({"name": "x"}, Needy)


def test_annotations_that_cannot_be_resolved_are_told(json):
    @frozen
    class Broken:
        value: Nowhere  # noqa: F821

    with pytest.raises(JsonError, match=r"annotations of .*Broken cannot be resolved.*Nowhere") as caught:
        json.structure({"value": 1}, Broken)
    assert caught.value.category == "DEFENSIVE", "that is no fault of who sent the JSON"


def test_a_class_that_cannot_be_read_at_all(json):
    with pytest.raises(JsonError, match=r"Service.* has no way to be read") as caught:
        json.structure({"a": {}}, dict[str, Service])
    assert caught.value.category == "DEFENSIVE"


@pytest.mark.parametrize(
    ("name", "camel"), [("max_rows_per_segment", "maxRowsPerSegment"), ("type_", "type"), ("_x", "x"), ("a_1", "a1")]
)
def test_camel_case(name, camel):
    assert camel_case(name) == camel


# ---- scalars


@pytest.mark.parametrize(
    ("value", "cls", "read"),
    [
        ("5", int, 5),
        (" 5 ", int, 5),
        (5.9, int, 5),
        (2**80, int, 2**80),
        (5, float, 5.0),
        ("5.5", float, 5.5),
        ("NaN", float, math.nan),
        ("-Infinity", float, -math.inf),
        (5, str, "5"),
        (True, str, "true"),
        ("true", bool, True),
        ("LARGE", Size, Size.LARGE),
        ("Small", Size, Size.SMALL),
        (None, int | None, None),
        ("7", int | None, 7),
    ],
)
def test_scalars_are_coerced_as_jackson_does(json, value, cls, read):
    got = json.structure(value, cls)
    assert got == read or (got != got and read != read)


@pytest.mark.parametrize(
    ("value", "cls", "told"),
    [
        ("five", int, "expected an integer, got the string 'five'"),
        ("5.5", int, "expected an integer, got the string '5.5'"),
        (True, int, "expected an integer, got the boolean true"),
        (math.inf, int, "expected an integer, got the number inf"),
        (None, int, "expected an integer, got null"),
        ([], int, "expected an integer, got an array"),
        ("x", float, "expected a number, got the string 'x'"),
        (False, float, "expected a number, got the boolean false"),
        (1, bool, "expected true or false, got the number 1"),
        ("yes", bool, "expected true or false, got the string 'yes'"),
        ({}, str, "expected a string, got an object"),
        ("medium", Size, "expected one of [small, large], got the string 'medium'"),
        ("stopped", State, "expected one of [RUNNING], got the string 'stopped'"),
        ("abc", list[str], "expected an array, got the string 'abc'"),
        ([], dict[str, int], "expected an object, got an array"),
        ([], Everything, "expected an object, got an array"),
        ([1], tuple[int, int], "expected an array of 2 elements, got 1"),
        ("c", Literal["a", "b"], "expected one of [a, b], got the string 'c'"),
        ({}, int | str, "expected an integer, got an object; or expected a string, got an object"),
        ("x" * 500, int, "…"),
    ],
)
def test_bad_values_say_what_is_expected(json, value, cls, told):
    message = problem(json, value, cls)
    assert message.startswith("[$]: ")
    assert told in message


def test_the_path_leads_to_the_bad_value(json):
    assert problem(json, {"requiredName": "x", "byName": {"k": [1, "q"]}}, Everything).startswith("[$.byName.k[1]]: ")
    assert problem(json, {"a.b": "q"}, dict[str, int]).startswith("[$['a.b']]: ")
    assert problem(json, [[1], [{}]], list[list[int]]).startswith("[$[1][0]]: ")
    with pytest.raises(JsonError) as caught:
        json.structure({"requiredName": "x", "createdTime": "soon"}, Everything)
    assert caught.value.context["path"] == "$.createdTime"


def test_a_class_that_checks_itself_is_heard_at_its_place(json):
    @define
    class Checked:
        size: int = field(validator=validators.gt(0))

    assert problem(json, [{"size": 1}, {"size": 0}], list[Checked]).startswith("[$[1]]: 'size' must be > 0")


def test_an_error_of_another_category_keeps_it(json):
    @frozen
    class Later:
        @classmethod
        def from_json(cls, value: Any) -> Later:
            raise unsupported("not yet")

    with pytest.raises(DruidException) as caught:
        json.structure({"a": {}}, dict[str, Later])
    assert caught.value.http_status == 501
    assert "[$.a]: not yet" in caught.value.message


# ---- tagged unions


def test_a_tagged_union_goes_there_and_back(json):
    value = {"questionType": "why", "shapes": [{"type": "circle", "radius": 1.0, "inner": {"type": "dot"}}]}
    read = json.structure(value, Question)
    assert read == Why([Circle(1.0, Dot())])
    assert json.unstructure(read) == value


def test_aliases_defaults_and_shorthands_of_a_union(json):
    assert json.structure({"type": "ring", "radius": 2}, Shape) == Circle(2.0)
    assert json.structure({}, Shape) == Dot()
    assert json.structure(5, Shape) == Circle(5.0)


def test_a_concrete_member_is_read_without_its_tag(json):
    assert json.structure({"radius": 2}, Circle) == Circle(2.0)


def test_unknown_missing_and_bad_tags(json):
    assert problem(json, {"shapes": [{"type": "oval"}]}, Why) == (
        "[$.shapes[0].type]: Unknown shape type [oval]; known types are [circle, dot, ring]"
    )
    assert problem(json, {}, Question) == "[$.questionType]: is required: the type of question, one of [why]"
    assert "got the number 3" in problem(json, {"questionType": 3}, Question)
    assert problem(json, "why", Question) == "[$]: expected a question object, got the string 'why'"


def test_members_that_come_late_count():
    registry = TypeRegistry()
    json = Json(registry)
    with pytest.raises(JsonError):
        json.structure({"type": "dot"}, Shape)
    registry.add("shapes", Dot)
    assert json.structure({"type": "dot"}, Shape) == Dot()


def test_a_lazy_member_that_cannot_be_imported(json):
    registry = TypeRegistry()
    registry.add("shapes", lazy("oval", "acme_nowhere:Oval"))
    assert "class of shape type [oval] cannot be imported" in problem(Json(registry), {"type": "oval"}, Shape)


def test_a_member_without_a_type_name_cannot_be_written(json):
    @frozen
    class Nameless(Shape):
        pass

    with pytest.raises(TypeError, match="without a type name"):
        json.unstructure(Nameless())


def test_classes_that_take_over(json):
    @frozen
    class Pair:
        left: int
        right: int

        @classmethod
        def from_json(cls, value: Any, json: Json) -> Pair:
            return json.structure_fields(value, cls) if isinstance(value, dict) else cls(*value)

        def to_json(self, json: Json) -> Any:
            return {**json.unstructure_fields(self), "sum": self.left + self.right}

    assert json.structure([[1, 2], {"left": 3, "right": 4}], list[Pair]) == [Pair(1, 2), Pair(3, 4)]
    assert json.unstructure(Pair(1, 2)) == {"left": 1, "right": 2, "sum": 3}


# ---- text


def test_non_finite_numbers_are_written_as_jackson_writes_them(json):
    value = [math.nan, {"a": math.inf, "b": [-math.inf]}, 1.5]
    assert json.dumps(value) == b'["NaN",{"a":"Infinity","b":["-Infinity"]},1.5]'


def test_keys_sets_and_numpy(json):
    import numpy as np

    value = {1: {"b", "a"}, State.RUNNING: np.int64(3), ETERNITY: np.array([1.0, math.nan]), None: (1, None)}
    assert json.loads(json.dumps(value)) == {
        "1": ["a", "b"],
        "RUNNING": 3,
        str(ETERNITY): [1.0, "NaN"],
        "null": [1, None],
    }


@pytest.mark.parametrize("text", [b"", b"{", b"[1,]", b"NaN", b"\xff", b'"' + b"x", b"[" * 100_000])
def test_malformed_json(json, text):
    with pytest.raises(JsonError, match="malformed"):
        json.loads(text)


def test_big_integers_stay_exact(json):
    assert json.loads(b"123456789012345678901234567890") == 123456789012345678901234567890
    assert json.dumps(2**70) == str(2**70).encode()


def test_what_cannot_be_written_is_an_error(json):
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        json.dumps({"a": object()})


shapes = st.recursive(
    st.builds(Dot), lambda inner: st.builds(Circle, st.floats(allow_nan=False), st.none() | inner), max_leaves=6
)


@given(st.lists(shapes))
def test_any_tree_of_shapes_survives(values):
    registry = TypeRegistry()
    registry.add("shapes", Circle)
    registry.add("shapes", Dot)
    json = Json(registry)
    assert json.loads(json.dumps(values), list[Shape]) == values


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(plain)
def test_any_plain_data_survives(value):
    assert Json().loads(Json().dumps(value)) == value
