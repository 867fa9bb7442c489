"""The numbers of the instructions that `compiled` runs, and how they are laid out.

A program is four arrays of int64, a row for each instruction:

- conditions: kind, input with the codes, and input with the flag of each code; or the least and the greatest code that
  meet it; or the flags as bits;
- keys: kind, input, distance between two codes (or for longs: 1, and the least value in a fourth field);
- steps: what is done, the register it is put into, and two operands: registers or inputs;
- takes: how, the column of the states, the register; or of tallies where they begin, the input, how many codes;
  or of other codes the column and the input.

Numba keeps the machine code of `compiled` and `compiled_flags` until these files change: touch both when a number here
does, and `compiled` when the other one does.

Inputs are numbers of addresses: of the first row of a column, or of a table of all codes.
"""

from __future__ import annotations

CHUNK = 1024
"""So many rows are worked on at a time: their registers stay in the nearest cache."""

OF_U8, OF_U16, OF_U32, RANGE_U8, RANGE_U16, RANGE_U32, BITS_U8 = range(7)
"""Conditions: a flag for each code, all codes from one to another, or bits of at most 64 codes. Tables are looked into
row by row, the others are computed of many rows at a time."""

KEY_U8, KEY_U16, KEY_U32, KEY_I64 = range(4)
"""Keys: codes of some width, or longs as distances from the least."""

LOAD_64, LOAD_TABLE, TO_DOUBLE = range(3)
"""Steps that bring 64 bits into a register: as they are, from a table by codes of eight bits, or a long as double."""

ADD_F, SUB_F, MUL_F, DIV_F, ADD_I, SUB_I, MUL_I = range(8, 15)
"""Steps of arithmetic on doubles (F) and longs (I)."""

SUM_F, SUM_I, MIN_F, MIN_I, MAX_F, MAX_I, TALLY, EXTREME_U8, SUM_U8, SUM_U16, SUM_U32 = range(11)
"""Takes. A tally counts the codes (of eight bits) of each group: the rest follows from that and the values by code.
An extreme keeps the greatest code, or (with a fourth field of 255) the greatest distance from that, in a state of int64
that begins with 0. The last three add codes as they are to states of int64."""

SURPRISING = 256
"""Added to the fourth field of an extreme: groups have few rows, so that it can hardly be foretold which changes it."""

PACKED_BITS = 40
"""A count and a sum of codes of eight bits fit into one int64: the sum has so many bits, the count those above."""

RANGE_OF_WIDTH = {1: RANGE_U8, 2: RANGE_U16, 4: RANGE_U32}
OF_CODE_WIDTH = {1: OF_U8, 2: OF_U16, 4: OF_U32}
SUM_OF_WIDTH = {1: SUM_U8, 2: SUM_U16, 4: SUM_U32}
KEY_OF_WIDTH = {1: KEY_U8, 2: KEY_U16, 4: KEY_U32}
