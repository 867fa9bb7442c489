"""The compiled kernels and their numpy forms give the same; what is fed together is what was fed one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nemeton.query import kernels
from nemeton.query.kernels import compiled_kernels


@pytest.fixture(params=["numpy", "compiled"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(compiled_kernels, "_started", True)  # nothing is loaded in the background
    monkeypatch.setattr(compiled_kernels, "module", None)
    if request.param == "compiled":
        compiled_kernels.load()
        assert compiled_kernels.module is not None
    return str(request.param)


ROWS = 10_001
ID_TYPES = [np.uint8, np.uint16, np.uint32, np.int64]


def made(groups: int, dtype: Any, columns: int) -> tuple[Any, list[Any]]:
    random = np.random.default_rng(groups)
    ids = random.integers(0, groups, ROWS).astype(dtype)
    return ids, [random.integers(-1000, 1000, ROWS).astype(np.float64) for _ in range(columns)]


@pytest.mark.parametrize("dtype", ID_TYPES)
@pytest.mark.parametrize("groups", [3, 200, 20_000])
def test_tally_counts_the_rows_of_each_group(form: str, dtype: Any, groups: int) -> None:
    if groups > np.iinfo(dtype).max:
        pytest.skip("more groups than ids")
    ids, _ = made(groups, dtype, 0)
    counts = np.ones(groups, dtype=np.int64)
    kernels.tally(counts, ids)
    assert counts.tolist() == (np.bincount(ids, minlength=groups) + 1).tolist()


@pytest.mark.parametrize("dtype", ID_TYPES)
@pytest.mark.parametrize("columns", [1, 2, 3, 4, 5, 7])
def test_any_number_of_sums_is_added_together(form: str, dtype: Any, columns: int) -> None:
    ids, values = made(100, dtype, columns)
    states = [np.full(100, 7.0) for _ in values]
    kernels.add_all(states, ids, values)
    for state, column in zip(states, values, strict=True):
        assert state.tolist() == (np.bincount(ids, weights=column, minlength=100) + 7).tolist()


def test_sums_of_longs_wrap(form: str) -> None:
    state = np.full(2, 2**63 - 1, dtype=np.int64)
    kernels.add_all([state], np.zeros(1, dtype=np.uint8), [np.ones(1, dtype=np.int64)])
    assert state.tolist() == [-(2**63), 2**63 - 1]


@pytest.mark.parametrize("greatest", [False, True])
def test_extremes_keep_nan(form: str, greatest: bool) -> None:
    ids, (values,) = made(50, np.uint8, 1)
    values[17] = np.nan
    state = np.full(50, -np.inf if greatest else np.inf)
    kernels.extreme(state, ids, values, greatest)
    pick = np.maximum if greatest else np.minimum
    wanted = [pick.reduce(values[ids == group]) for group in range(50)]
    np.testing.assert_array_equal(state, wanted)


@pytest.mark.parametrize("keys", [1, 50, 30_000])
def test_keys_are_numbered_and_have_a_first_place(form: str, keys: int) -> None:
    ids, _ = made(keys, np.int64, 0)
    numbers, firsts = kernels.number_keys(ids, keys)
    assert len(firsts) == len(np.unique(ids))
    assert ids[firsts][numbers].tolist() == ids.tolist()
    assert numbers[firsts].tolist() == list(range(len(firsts)))
    assert sorted(firsts.tolist()) == sorted(np.unique(ids, return_index=True)[1].tolist())
