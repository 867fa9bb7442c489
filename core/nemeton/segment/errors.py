"""Errors of the segment reader and writer, in Druid's error shape."""

from __future__ import annotations

from nemeton.common.errors import DruidException, invalid_input, runtime_failure, unsupported


def corrupt(part: str, problem: str) -> DruidException:
    """Return the error for segment bytes that cannot be right.

    `part` names the file and structure (``"carrier: dictionary"``), so that an operator knows what is damaged. Whoever
    opened the segment should quarantine it and fetch it again: the damage does not go away by retrying.
    """
    return runtime_failure(f"Segment is corrupt in [{part}]: {problem}", part=part)


def unsupported_column(name: str, type_name: str) -> DruidException:
    """Return the error for touching a column of a kind that this version does not read."""
    return unsupported(f"Column [{name}] of type [{type_name}] is not supported yet", column=name, type=type_name)


def bad_column(name: str, problem: str) -> DruidException:
    """Return the error for column data that a writer was given and that cannot be written."""
    return invalid_input(f"Cannot write column [{name}]: {problem}", column=name)
