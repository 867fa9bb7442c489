"""Implicit casts, as Calcite does them for Druid: one common type for the sides of a comparison and CASE branches."""

from __future__ import annotations

from collections.abc import Sequence

from nemeton.sql.binder.constants import fold
from nemeton.sql.rex import Call, Literal, Rex
from nemeton.sql.types import BIGINT, DOUBLE, NULL, TIMESTAMP, SqlType, least_restrictive
from nemeton.time import Zone


def cast(rex: Rex, target: SqlType, zone: Zone) -> Rex:
    """The expression as `target`; nothing happens where the type is that already."""
    if rex.type.name == target.name and rex.type.inner == target.inner:
        return rex
    if isinstance(rex, Literal) and rex.value is None:
        return Literal(target.with_nullable(True), None)
    if rex.type.is_character and target.is_character:
        return Literal(target, rex.value) if isinstance(rex, Literal) else rex
    return fold(Call(target.with_nullable(rex.type.nullable or rex.type.is_character), "CAST", (rex,)), zone)


def comparable(left: Rex, right: Rex, zone: Zone) -> tuple[Rex, Rex] | None:
    """Both sides with types that native comparisons know how to compare; None when they have nothing in common."""
    common = comparison_type(left.type, right.type)
    if common is None:
        return None
    return _towards(left, common, zone), _towards(right, common, zone)


def comparison_type(left: SqlType, right: SqlType) -> SqlType | None:
    """The type in which values are compared: strings give way to times, numbers and booleans."""
    if NULL in (left, right) or left.name == right.name:
        return left if right == NULL else right
    for one, other in ((left, right), (right, left)):
        if one.is_character and other.is_datetime:
            return TIMESTAMP
        if one.is_character and other.is_numeric:
            return BIGINT if other.is_integer else DOUBLE
        if one.is_character and other.is_boolean:
            return other
        if one.is_integer and other.is_datetime:
            return other
    return least_restrictive([left, right])


def _towards(rex: Rex, common: SqlType, zone: Zone) -> Rex:
    """Numbers are compared as they are, times too; only strings change."""
    if (rex.type.is_numeric and common.is_numeric) or (rex.type.is_datetime and common.is_datetime):
        return rex
    if rex.type.is_array or rex.type.name == "OTHER":
        return rex
    return cast(rex, common, zone)


def unify(branches: Sequence[Rex], zone: Zone) -> tuple[list[Rex], SqlType] | None:
    """The branches of CASE, COALESCE and the like in one type, and that type."""
    common = least_restrictive([branch.type for branch in branches])
    if common is None:
        return None
    if common.name == "NULL":
        return list(branches), common
    return [cast(branch, common, zone) for branch in branches], common
