"""What Druid asks of Apache Commons Math: means, variances, and the t-test."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nemeton.common.errors import invalid_input

if TYPE_CHECKING:
    from nemeton.query.vectors import Array

_TINY = 1e-300


def mean(values: Array) -> float:
    """NaN of no values."""
    return float(values.mean()) if len(values) else math.nan


def variance(values: Array) -> float:
    """With Bessel's correction; 0 of one value, NaN of none."""
    if len(values) < 2:
        return 0.0 if len(values) else math.nan
    return float(values.var(ddof=1))


def t_test(one: Array, other: Array) -> float:
    """The two-sided p value that two samples, of unequal variances, have the same mean."""
    for values in (one, other):
        if len(values) < 2:
            raise invalid_input(f"insufficient data for t statistic, needs at least 2, got {len(values)}")
    a, b = variance(one) / len(one), variance(other) / len(other)
    if a + b == 0:
        return math.nan if mean(one) == mean(other) else 0.0
    t = (mean(one) - mean(other)) / math.sqrt(a + b)
    freedom = (a + b) ** 2 / (a * a / (len(one) - 1) + b * b / (len(other) - 1))
    return incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5)


def incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction."""
    if x <= 0 or x >= 1:
        return min(max(x, 0.0), 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    c, d = 1.0, 0.0
    result = 1.0
    for step in range(10_000):
        half = step // 2
        if step == 0:
            factor = 1.0
        elif step % 2:
            factor = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            factor = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        d = 1 / _apart(1 + factor * d)
        c = _apart(1 + factor / c)
        result *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * (result - 1)


def _apart(value: float) -> float:
    """The value, away from zero."""
    return value if abs(value) > _TINY else _TINY
