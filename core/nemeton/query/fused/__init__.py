"""Grouping a segment in one compiled pass: filter, keys, arithmetic and aggregates of a thousand rows at a time."""
