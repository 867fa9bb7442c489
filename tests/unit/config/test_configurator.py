"""From properties to attrs classes: types, defaults, and every fault by its property."""

import enum
from pathlib import Path

import pytest
from attrs import field, frozen, validators

from nemeton.config import ConfigurationError, HumanReadableBytes, JsonConfigurator, Properties
from nemeton.config.configurator import names_below
from nemeton.config.unknown import druid_properties, sort_unread
from nemeton.json import Json
from nemeton.time import Period


class Mode(enum.Enum):
    FAST = "fast"
    SLOW = "slow"


@frozen
class Everything:
    text: str = "t"
    number: int = 1
    ratio: float = 0.5
    on_or_off: bool = False
    size: HumanReadableBytes = field(factory=lambda: HumanReadableBytes(10))
    period: Period = field(factory=lambda: Period.parse("PT5M"))
    names: list[str] = field(factory=list)
    numbers: tuple[int, ...] = ()
    weights: dict[str, float] = field(factory=dict)
    mode: Mode = Mode.FAST
    maybe: int | None = None
    place: Path | None = None
    renamed: str = field(default="", metadata={"property": "otherName"})


def read(cls, **values):
    properties = {f"druid.p.{key}": value for key, value in values.items()}
    return JsonConfigurator(Properties(properties)).configurate("druid.p", cls)


def test_defaults_hold_when_nothing_is_set():
    assert read(Everything) == Everything()


def test_every_type_is_read():
    made = read(
        Everything,
        text="x",
        number="42",
        ratio="1e3",
        onOrOff="TRUE",
        size="500MiB",
        period="P1D",
        names='["a","b"]',
        numbers="[1,2]",
        weights='{"a":1.5}',
        mode="SLOW",
        maybe="7",
        place="/tmp/x",
        otherName="r",
    )
    assert made == Everything(
        "x", 42, 1000.0, True, HumanReadableBytes(500 * 1024**2), Period.parse("P1D"), ["a", "b"], (1, 2), {"a": 1.5},
        Mode.SLOW, 7, Path("/tmp/x"), "r",
    )  # fmt: skip


def test_a_map_may_be_given_entry_by_entry():
    assert read(Everything, **{"weights.a": "1"}).weights == {"a": "1"}


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("number", "many", "must be an integer"),
        ("onOrOff", "yes", "must be true or false"),
        ("size", "12 parsecs", "must be a number of bytes"),
        ("period", "5 minutes", "ISO-8601 period"),
        ("names", "a,b", "JSON list"),
        ("mode", "medium", r"one of \['fast', 'slow'\]"),
    ],
)
def test_a_bad_value_names_property_value_and_what_would_be_right(name, value, what):
    with pytest.raises(ConfigurationError, match=rf"druid\.p\.{name}\].*{what}"):
        read(Everything, **{name: value})


def test_all_bad_values_are_told_at_once():
    with pytest.raises(ConfigurationError) as raised:
        read(Everything, number="a", ratio="b", mode="c")
    assert len(raised.value.problems) == 3


def test_validators_and_required_fields_are_faults_of_the_configuration():
    @frozen
    class Strict:
        name: str
        count: int = field(default=1, validator=validators.ge(1))

    with pytest.raises(ConfigurationError, match=r"druid\.p\.name\]: must be set"):
        read(Strict)
    with pytest.raises(ConfigurationError, match="count"):
        read(Strict, name="x", count="0")


def test_the_value_of_a_secret_is_not_told_in_errors():
    @frozen
    class Secret:
        password: int = 0

    with pytest.raises(ConfigurationError) as raised:
        read(Secret, password="hunter2")
    assert "hunter2" not in str(raised.value)


def test_three_kinds_of_keys():
    implemented = list(names_below("druid.p", Everything))
    properties = Properties(
        {
            "druid.p.number": "1",
            "druid.p.weights.a": "1",
            "druid.processing.buffer.poolCacheMaxCount": "1",
            "druid.p.nubmer": "1",
            "user.timezone": "UTC",
        }
    )
    found = sort_unread(properties, implemented)
    assert found.without_meaning == ["druid.processing.buffer.poolCacheMaxCount"]
    assert [problem.property for problem in found.problems] == ["druid.p.nubmer"]
    assert "did you mean [druid.p.number]" in found.problems[0].message


def test_the_table_of_druids_properties_is_there():
    assert "druid.server.http.numThreads" in druid_properties()
    assert len(druid_properties()) > 800


def test_sizes_inside_json_take_units_too():
    @frozen
    class Location:
        path: str
        max_size: HumanReadableBytes

    @frozen
    class Cache:
        locations: list[Location]

    properties = Properties({"druid.p.locations": '[{"path":"/a","maxSize":"1g"},{"path":"/b","maxSize":5}]'})
    made = JsonConfigurator(properties, Json()).configurate("druid.p", Cache)
    assert [location.max_size for location in made.locations] == [10**9, 5]
