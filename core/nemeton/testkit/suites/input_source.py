"""What every input source owes ingestion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, cast

import pytest

from nemeton.common.errors import DruidException
from nemeton.json import Json
from nemeton.plugins import TypeRegistry
from nemeton.spi.ingest import InputSource

T = TypeVar("T")


def read_all(source: InputSource) -> dict[str, bytes]:
    """The bytes of each entity by its URI, in the source's order."""
    found: dict[str, bytes] = {}
    for entity in source.entities():
        with entity.open() as stream:
            found[entity.uri] = stream.read()
    return found


class InputSourceSuite:
    """Subclass it, and override `source` and `contents`; `missing_source` where something may be missing."""

    @pytest.fixture
    def source(self) -> InputSource:
        """The source that is tested: at least one entity."""
        raise NotImplementedError("override the fixture `source`")

    @pytest.fixture
    def contents(self) -> list[bytes]:
        """What its entities hold, in their order."""
        raise NotImplementedError("override the fixture `contents`")

    @pytest.fixture
    def missing_source(self) -> InputSource | None:
        """A source of the kind that names something that is not there."""
        return None

    @pytest.fixture
    def injected(self) -> Mapping[type, object]:
        """What its injected fields get, by type."""
        return {}

    def test_it_holds_what_it_should(self, source: InputSource, contents: list[bytes]) -> None:
        """In order."""
        assert list(read_all(source).values()) == contents

    def test_it_can_be_read_again(self, source: InputSource) -> None:
        """Ingestion reads twice: to find partitions, and to make segments."""
        first = read_all(source)
        assert read_all(source) == first
        assert [entity.uri for entity in source.entities()] == list(first)

    def test_an_entity_opens_from_its_start_every_time(self, source: InputSource) -> None:
        """Two streams of one entity do not meet."""
        entity = next(iter(source.entities()))
        with entity.open() as one, entity.open() as two:
            assert one.read(1) == two.read(1)

    def test_sizes_are_those_of_the_bytes(self, source: InputSource) -> None:
        """Where they are known."""
        for entity in source.entities():
            with entity.open() as stream:
                assert entity.size in (None, len(stream.read()))

    def test_splits_hold_the_same(self, source: InputSource, contents: list[bytes]) -> None:
        """Each entity is in one of them, whatever the bounds."""
        for max_bytes, max_entities in ((1, 1), (1 << 30, 2), (1 << 30, 1000)):
            parts = [data for split in source.splits(max_bytes, max_entities) for data in read_all(split).values()]
            assert sorted(parts) == sorted(contents)

    def test_a_source_that_can_be_split_gives_each_entity_alone(self, source: InputSource) -> None:
        """When the bounds say so."""
        if not source.is_splittable:
            return  # cannot be split
        assert all(len(list(split.entities())) == 1 for split in source.splits(1, 1))

    def test_its_json_survives(self, source: InputSource, injected: Mapping[type, object]) -> None:
        """A sub-task gets its split as JSON."""
        registry = TypeRegistry()
        registry.add("input_sources", type(source))
        json = Json(registry, _Fixed(injected))
        for each in (source, *source.splits(1, 1)):
            assert json.loads(json.dumps(each), InputSource) == each

    def test_what_is_missing_is_told(self, missing_source: InputSource | None) -> None:
        """With a DruidException, when listing or when opening."""
        if missing_source is None:
            return  # nothing can be missing
        with pytest.raises(DruidException):
            read_all(missing_source)


class _Fixed:
    def __init__(self, instances: Mapping[type, object]) -> None:
        self._instances = instances

    def get(self, key: type[T]) -> T:
        return cast(T, self._instances[key])
