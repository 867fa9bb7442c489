"""The order of values in `auto` and `json` dimensions (Druid: `StructuredData`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nemeton.ingest.documents import is_number
from nemeton.ingest.index.xxhash import xxhash64
from nemeton.json import smile
from nemeton.segment.java_order import double_keys, java_sort_key

_STRING, _NUMBER, _OTHER = 0, 1, 2
_SEED = 0x9747B28C - (1 << 32)


def value_ranks(values: Sequence[Any]) -> NDArray[np.int64]:
    """For each value a number; equal where Druid's comparison finds no difference.

    Strings come before numbers, which compare as doubles, before all else, which goes by the hash of its Smile.
    """
    doubles = [_as_double(value) for value in values if is_number(value)]
    of_numbers = iter(double_keys(np.array(doubles, np.float64)).tolist())  # in one go, as single ones would take long
    keys = [(_NUMBER, next(of_numbers)) if is_number(value) else _key(value) for value in values]
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    return np.fromiter((ranks[key] for key in keys), np.int64, len(keys))


def _key(value: Any) -> tuple[int, Any]:
    if isinstance(value, str):
        return _STRING, java_sort_key(value)
    return _OTHER, xxhash64(smile.dumps(value), _SEED)


def _as_double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
