"""Quantiles sketches by group (classic and KLL): values wait in flat arrays and go to the library a group at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton_datasketches import kll_check
from nemeton_datasketches.base import check_power_of_2, corrupt
from nemeton_datasketches.hll import runs_of

if TYPE_CHECKING:
    from nemeton.query.vectors import Array

_FLUSH_FROM = 1 << 20


@frozen
class QuantilesKind:
    """One of the library's sketch classes: its name there, Druid's name, and the type of its values."""

    library_class: str
    name: str
    dtype: Any
    #: raises for a parameter `k` that the Java library refuses
    check_k: Callable[[int], None]
    #: bits that Java sets in byte 3 of what it writes, and the library does not
    java_flags: int = 0
    empty_flag: int = 1
    #: says what is wrong with bytes, where the library cannot be left to find out
    check: Callable[[bytes, Any], str | None] | None = None

    @property
    def sketch(self) -> Any:
        """The class."""
        import datasketches

        return getattr(datasketches, self.library_class)

    def read(self, blob: bytes) -> Any:
        """The sketch of these bytes."""
        if self.check is not None:
            why = self.check(blob, self.dtype)
            if why is not None:
                raise corrupt(self.name, why)
        try:
            return self.sketch.deserialize(blob)
        except (RuntimeError, ValueError, IndexError, MemoryError) as error:
            raise corrupt(self.name, error) from None

    def is_empty(self, blob: bytes) -> bool:
        """Whether these are the bytes of an empty sketch."""
        return bool(blob[3] & self.empty_flag)

    def write(self, sketch: Any) -> bytes:
        """The bytes of a sketch as Java writes them."""
        blob: bytes = sketch.serialize()
        if self.java_flags:
            return blob[:3] + bytes([blob[3] | self.java_flags]) + blob[4:]
        return blob


def _check_classic_k(k: int) -> None:
    check_power_of_2(k, "k")


def _check_kll_k(k: int) -> None:
    if not 8 <= k <= 65535:
        raise invalid_input(f"K must be >= 8 and <= 65535: {k}")


DOUBLES = QuantilesKind(
    "quantiles_doubles_sketch", "quantilesDoublesSketch", np.float64, _check_classic_k, java_flags=2, empty_flag=4
)
KLL_DOUBLES = QuantilesKind("kll_doubles_sketch", "KllDoublesSketch", np.float64, _check_kll_k, check=kll_check.problem)
KLL_FLOATS = QuantilesKind("kll_floats_sketch", "KllFloatsSketch", np.float32, _check_kll_k, check=kll_check.problem)


class QuantilesState:
    """Sketches with parameter `k`. A group that saw nothing has no sketch yet."""

    def __init__(self, num_groups: int, kind: QuantilesKind, k: int) -> None:
        self.kind = kind
        self.k = k
        self._sketches: list[Any] = [None] * num_groups
        self._pending: list[tuple[Array, Array]] = []
        self._num_pending = 0

    @property
    def num_groups(self) -> int:
        """How many sketches."""
        return len(self._sketches)

    def resize(self, num_groups: int) -> None:
        """Add empty sketches."""
        self._sketches += [None] * (num_groups - self.num_groups)

    def add(self, groups: Array, values: Array) -> None:
        """Take in values; NaN is passed over, as Java does."""
        keep = ~np.isnan(values)
        if not keep.all():
            groups, values = groups[keep], values[keep]
        if len(groups):
            self._pending.append((groups, values.astype(self.kind.dtype)))
            self._num_pending += len(groups)
            if self._num_pending > _FLUSH_FROM:
                self.flush()

    def flush(self) -> None:
        """Give the values that wait to the sketches."""
        if not self._pending:
            return
        groups = np.concatenate([groups for groups, _ in self._pending])
        values = np.concatenate([values for _, values in self._pending])
        self._pending, self._num_pending = [], 0
        for group, rows in runs_of(groups):
            self._own(group).update(np.ascontiguousarray(values if rows is None else values[rows]))

    def _own(self, group: int) -> Any:
        if self._sketches[group] is None:
            self._sketches[group] = self.kind.sketch(self.k)
        return self._sketches[group]

    def sketches(self) -> list[Any]:
        """The library's sketches by group; None for one that saw nothing. They are the state's own."""
        self.flush()
        return self._sketches

    def take(self, groups: Array) -> QuantilesState:
        """A copy of these groups."""
        sketches = self.sketches()
        out = QuantilesState(len(groups), self.kind, self.k)
        out._sketches = [copy.copy(sketches[group]) for group in groups.tolist()]
        return out

    def merge(self, other: QuantilesState, group_ids: Array) -> None:
        """Unite with another state's sketches."""
        for group, sketch in zip(group_ids.tolist(), other.sketches(), strict=True):
            if sketch is not None:
                self._merge_one(group, sketch)

    def _merge_one(self, group: int, sketch: Any) -> None:
        self.flush()
        try:
            self._own(group).merge(sketch)
        except (RuntimeError, ValueError, MemoryError) as error:
            raise corrupt(self.kind.name, error) from None

    def merge_blobs(self, group_ids: Array, blobs: Array) -> None:
        """Unite with sketches as bytes. The library merges one by one; those of one value are only read."""
        for group, blob in zip(group_ids.tolist(), blobs.tolist(), strict=True):
            if blob:
                sketch = self.kind.read(blob)
                if not sketch.is_empty():
                    self._merge_one(group, sketch)

    def to_bytes(self) -> list[bytes]:
        """Compact, as Java writes them."""
        empty = self.kind.write(self.kind.sketch(self.k))
        return [empty if sketch is None else self.kind.write(sketch) for sketch in self.sketches()]

    def counts(self) -> Array:
        """The number of values that each sketch saw."""
        return np.array([0 if sketch is None else sketch.n for sketch in self.sketches()], dtype=np.int64)
