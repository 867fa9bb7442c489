"""Values for tests of Smile, and what makes them comparable."""

from __future__ import annotations

import math
from decimal import Decimal

from hypothesis import strategies as st

INTEGERS = st.one_of(
    st.integers(-20, 20),
    st.integers(-(2**31) - 2, 2**31 + 2),
    st.integers(-(2**63) - 2, 2**63 + 2),
    st.integers(-(2**600), 2**600),
    st.sampled_from([sign * 2**bits + off for bits in range(70) for sign in (1, -1) for off in (-1, 0, 1)]),
)
TEXTS = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["a", "ab", "host", "RUNNING"]),  # that repeat
    st.text(st.characters(codec="ascii"), min_size=30, max_size=70),
    st.text(st.sampled_from("aé€𝄞"), min_size=10, max_size=70),
    st.text(min_size=65, max_size=300),
)
DECIMALS = st.builds(
    lambda unscaled, scale: Decimal((int(unscaled < 0), tuple(map(int, str(abs(unscaled)))), -scale)),
    st.integers(-(10**40), 10**40),
    st.integers(-400, 400),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), INTEGERS, st.floats(), TEXTS, st.binary(max_size=40), DECIMALS.filter(lambda d: d != 0)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(TEXTS, inner, max_size=6),
    max_leaves=40,
)


def comparable(value):
    """With types, signs of zeros, and NaN equal to itself."""
    if isinstance(value, dict):
        return {key: comparable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [comparable(each) for each in value]
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else ("float", value.hex())
    if isinstance(value, Decimal):
        return ("decimal", value.as_tuple())
    return (type(value).__name__, value)
