"""The distinct values of many lists of strings, found outside of Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from nemeton.query.vectors import Array


def distinct_strings(lists: Sequence[Array]) -> tuple[pa.Array, list[Array]] | None:
    """The distinct values in order of appearance, and for each list (of str and None) the place of each value there.

    None where a value is no text that can be written in UTF-8, as halves of surrogate pairs are.
    """
    import pyarrow as pa

    try:
        together = pa.chunked_array([pa.array(values, pa.large_string()) for values in lists], pa.large_string())
    except (pa.ArrowException, UnicodeEncodeError):
        return None
    encoded = together.combine_chunks().dictionary_encode(null_encoding="encode")
    codes: np.ndarray[Any, Any] = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return encoded.dictionary, np.split(codes, np.cumsum([len(values) for values in lists])[:-1])
