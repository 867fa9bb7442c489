"""Numbers of eight bytes kept in fewer: as steps from the least, or as codes of the few values that there are."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import frozen

from nemeton.query.vectors import Array
from nemeton.segment.encode import narrowest

_FEW = 256
_SCALES = (1, 10, 100, 1000, 10_000)
_SAMPLE = 256
_MOST_STEPS = 1 << 32


@frozen(eq=False)
class NarrowNumbers:
    """`codes`, unsigned of one, two or four bytes, are one per row. `table` has the values by code where codes are of
    one byte. With a `scale` other than 0 a value is exactly `(code + low) / scale`.
    """

    codes: Array
    table: Array | None
    low: int = 0
    scale: int = 0

    @property
    def nbytes(self) -> int:
        """Of the codes."""
        return self.codes.nbytes


def narrow(values: Array) -> NarrowNumbers | None:
    """Numbers (int64 or float64) in fewer bytes; None where there is no such form."""
    whole = np.ascontiguousarray(values)
    whole.flags.writeable = False
    steps = None
    if len(values):
        steps = _steps_of_longs(whole) if whole.dtype.kind == "i" else _steps_of_doubles(whole)
    if steps is not None and steps.table is not None:
        return steps
    return _few(whole) or steps


def _steps_of_longs(values: Array) -> NarrowNumbers | None:
    low, high = int(values.min()), int(values.max())
    if high - low >= _MOST_STEPS:
        return None
    return _stepped((values - low).astype(narrowest(high - low + 1)), low, high, 1, values.dtype)


def _steps_of_doubles(values: Array) -> NarrowNumbers | None:
    kernels = _kernels()
    for scale in _SCALES:
        if not kernels.step_bounds(values[:_SAMPLE], scale)[0]:
            continue
        found, low, high = kernels.step_bounds(values, scale)
        if found and high - low < _MOST_STEPS:
            codes = np.empty(len(values), dtype=narrowest(high - low + 1))
            kernels.steps(values, scale, low, codes)
            return _stepped(codes, low, high, scale, values.dtype)
    return None


def _stepped(codes: Array, low: int, high: int, scale: int, dtype: Any) -> NarrowNumbers:
    if codes.dtype != np.uint8:
        return NarrowNumbers(codes, None, low, scale)
    steps = np.arange(low, high + 1, dtype=np.int64)
    return NarrowNumbers(codes, steps if dtype.kind == "i" else steps / scale, low, scale)


def _few(values: Array) -> NarrowNumbers | None:
    codes, table = np.empty(len(values), dtype=np.uint8), np.empty(_FEW, dtype=np.int64)
    size = _kernels().few_values(values.view(np.int64), codes, table)
    return None if size < 0 else NarrowNumbers(codes, table[:size].view(values.dtype).copy())


def _kernels() -> Any:
    from nemeton.query.fused import compiled_forms

    return compiled_forms
