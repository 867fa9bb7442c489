"""Several input sources as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from nemeton.common.errors import invalid_input
from nemeton.plugins import json_type
from nemeton.spi.ingest import InputEntity, InputRowSchema, InputSource, InputToolbox, ParseProblems

if TYPE_CHECKING:
    import polars as pl

    from nemeton.model import DataSegment


def _delegates(given: Any) -> tuple[InputSource, ...]:
    return tuple(given or ())


@json_type("combining")
@frozen
class CombiningInputSource(InputSource):
    """All that the ``delegates`` hold, one after another (Druid: ``CombiningInputSource``).

    Every delegate can be split; a split belongs to one of them. Delegates that need a format share it.
    """

    delegates: tuple[InputSource, ...] = field(default=(), converter=_delegates)

    def __attrs_post_init__(self) -> None:
        if not self.delegates:
            raise invalid_input("Must specify at least one delegate inputSource (inputSource.delegates)")
        for delegate in self.delegates:
            if not delegate.is_splittable:
                kind = type(delegate).__name__
                raise invalid_input(f"[{kind}] cannot be split and can be no delegate (inputSource.delegates)")
        if len({delegate.needs_format for delegate in self.delegates}) > 1:
            raise invalid_input("Delegates with a format and without one cannot be combined (inputSource.delegates)")

    @property
    def needs_format(self) -> bool:  # type: ignore[override]  # a constant of every other source
        """As the delegates."""
        return self.delegates[0].needs_format

    @property
    def is_splittable(self) -> bool:
        """Yes."""
        return True

    def entities(self) -> Iterator[InputEntity]:
        """Those of the delegates, in order."""
        for delegate in self.delegates:
            yield from delegate.entities()

    @property
    def wanted_system_fields(self) -> Sequence[str]:
        """Those of any delegate."""
        return [name for delegate in self.delegates for name in delegate.wanted_system_fields]

    def described_entities(self) -> Iterator[tuple[InputEntity, Mapping[str, str | None]]]:
        """Those of the delegates, each with what that one wants."""
        for delegate in self.delegates:
            yield from delegate.described_entities()

    def splits(self, max_bytes: int, max_entities: int) -> Iterator[InputSource]:
        """The splits of the delegates."""
        for delegate in self.delegates:
            yield from delegate.splits(max_bytes, max_entities)

    def for_task(self, toolbox: InputToolbox) -> InputSource:
        """See :class:`InputSource`."""
        return evolve(self, delegates=[delegate.for_task(toolbox) for delegate in self.delegates])

    def frames(self, schema: InputRowSchema, problems: ParseProblems) -> Iterator[tuple[pl.DataFrame, int]]:
        """The rows of the delegates, where these need no format."""
        before = 0
        for delegate in self.delegates:
            read = 0
            for frame, read in delegate.frames(schema, problems):
                yield frame, before + read
            before += read

    @property
    def time_column(self) -> str | None:
        """That of the delegates."""
        return self.delegates[0].time_column

    @property
    def segments_read(self) -> int | None:
        """Those of all delegates together."""
        counts = [delegate.segments_read for delegate in self.delegates]
        return None if None in counts else sum(count or 0 for count in counts)

    def segments_of(self, data_source: str) -> Sequence[DataSegment]:
        """Those of the delegates."""
        return [segment for delegate in self.delegates for segment in delegate.segments_of(data_source)]
