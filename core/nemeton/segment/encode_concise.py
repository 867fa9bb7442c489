"""Encoding of Concise bitmaps, for all values of a dictionary at once.

A word covers 31 rows; runs of groups without rows, or with all rows, are one word each, which may begin with a group
that differs in one row. A bitmap's last word is never a run of empty groups.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GROUP = 31
_FULL = (1 << _GROUP) - 1
_LITERAL, _ONES = 1 << 31, 1 << 30


def encode_concise(
    codes: NDArray[np.integer], rows: NDArray[np.integer], cardinality: int
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """The words (big-endian) of all bitmaps one after another, and how many words each has.

    ``codes`` and ``rows`` are pairs ordered by code and then row. A value without rows has a word for one empty group:
    Druid would store no bytes at all, but its own reader trips over them in long lists.
    """
    if not len(rows):
        return np.zeros(cardinality, ">u4"), np.ones(cardinality, np.int64)
    keys = codes.astype(np.int64) << 32 | (rows.astype(np.int64) // _GROUP)
    starts = _starts(keys)
    bits = np.bitwise_or.reduceat(np.int64(1) << (rows.astype(np.int64) % _GROUP), starts)
    keys = keys[starts]
    gaps = np.diff(keys, prepend=0) - 1
    first = _starts(keys >> 32)
    gaps[first] = keys[first] & 0xFFFFFFFF  # groups without rows before each group that has some
    is_zeros = gaps > 0
    # one entry for each group with rows, and before it one for the run of groups without
    count = len(keys) + int(is_zeros.sum())
    places = np.arange(len(keys)) + np.cumsum(is_zeros)
    literal, groups = np.zeros(count, np.int64), np.ones(count, np.int64)
    value = np.empty(count, np.int64)
    literal[places], value[places] = bits, keys >> 32
    before = places[is_zeros] - 1
    groups[before], value[before] = gaps[is_zeros], keys[is_zeros] >> 32
    return _words(literal, groups, value, cardinality)


def _starts(keys: NDArray[np.int64]) -> NDArray[np.intp]:
    return np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))


def _words(
    literal: NDArray[np.int64], groups: NDArray[np.int64], value: NDArray[np.int64], cardinality: int
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Join runs of equal full or empty groups, and give each the literal before it where only one row differs."""
    is_run = (literal == 0) | (literal == _FULL)
    same = np.append(False, (literal[1:] == literal[:-1]) & is_run[1:] & (value[1:] == value[:-1]))
    starts = np.flatnonzero(~same)
    groups = np.add.reduceat(groups, starts)
    literal, is_run, value = literal[starts], is_run[starts], value[starts]
    differing = np.where(np.append(literal[1:] == 0, False), literal, literal ^ _FULL)
    is_single = (differing != 0) & (differing & (differing - 1) == 0)
    joins = is_single & ~is_run & np.append(is_run[1:] & (value[1:] == value[:-1]), False)
    position = np.zeros(len(literal), np.int64)
    follows = np.flatnonzero(joins) + 1
    position[follows] = np.round(np.log2(differing[joins])).astype(np.int64) + 1
    groups[follows] += 1
    fill = np.where(literal == _FULL, _ONES, 0) | position << 25 | (groups - 1)
    words = np.where(is_run, fill, literal | _LITERAL)[~joins]
    lengths = np.bincount(value[~joins], minlength=cardinality)
    empty = lengths == 0
    return np.insert(words.astype(">u4"), np.cumsum(lengths)[empty], 0), np.where(empty, 1, lengths)
