"""Virtual columns that stand for a field of a document, and for the first column that is there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.json import wire
from nemeton.model import ColumnType
from nemeton.plugins import json_type
from nemeton.query.expressions.column import by_row, to_vec, to_vector
from nemeton.query.expressions.logic import convert, of_any
from nemeton.query.expressions.vec import Vec
from nemeton.query.json_path import Path, find, find_literal, parse_json_path
from nemeton.query.vectors import AnyVector, ObjectVector, null_vector, object_array
from nemeton.spi.query import VirtualColumn

if TYPE_CHECKING:
    from nemeton.spi.query import Block

_JQ_PART = re.compile(r"""\.?(?:\[(-?\d+)\]|\[?(?:"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)')\]?|([^.\[\]"']+))\??""")


def parse_jq_path(text: str) -> Path:
    """The parts of ``.a[0]."b c"``. Raises invalid_input."""
    if not text.startswith("."):
        raise invalid_input(f"jq path [{text}] is invalid, it must start with '.'")
    parts: list[str | int] = []
    at = 0 if text != "." else 1
    while at < len(text):
        found = _JQ_PART.match(text, at)
        if found is None:
            raise invalid_input(f"jq path [{text}] is invalid, it cannot be understood from character {at + 1} on")
        index, double, single, plain = found.groups()
        parts.append(int(index) if index is not None else next(p for p in (double, single, plain) if p is not None))
        at = found.end()
    return tuple(parts)


def _of_parts(parts: list[dict[str, Any]]) -> Path:
    out: list[str | int] = []
    for part in parts:
        if part.get("type") == "field" and isinstance(part.get("field"), str):
            out.append(part["field"])
        elif part.get("type") == "arrayElement" and isinstance(part.get("index"), int):
            out.append(part["index"])
        else:
            raise invalid_input(f"pathParts: expected a part of type [field] or [arrayElement], got [{part}]")
    return tuple(out)


@json_type("nested-field")
@frozen
class NestedFieldVirtualColumn(VirtualColumn):
    """The string or number at a path of a column; with `processFromRaw` whatever lies there.

    The path is JSONPath, jq's with `useJqSyntax`, or given in parts. Of an array column it may be one index; of other
    columns only the root has a value.
    """

    column_name: str
    name: str = field(metadata=wire("outputName"))
    expected_type: str | None = None
    path_parts: list[dict[str, Any]] | None = None
    process_from_raw: bool = False
    path: str | None = None
    use_jq_syntax: bool = False

    def __attrs_post_init__(self) -> None:
        if self.path is not None and self.path_parts is not None:
            raise invalid_input("Cannot define both 'path' and 'pathParts'")
        if self.path is None and self.path_parts is None:
            raise invalid_input("Must define exactly one of 'path' or 'pathParts'")
        self.parsed_path  # noqa: B018 - to have it checked

    @property
    def has_value_index(self) -> bool:
        """Whether filters ask the index of a field, which elements of arrays have not."""
        return not self.process_from_raw and all(isinstance(part, str) for part in self.parsed_path)

    @property
    def parsed_path(self) -> Path:
        """Names and indexes."""
        if self.path_parts is not None:
            return _of_parts(self.path_parts)
        return (parse_jq_path if self.use_jq_syntax else parse_json_path)(str(self.path))

    @property
    def _kind(self) -> str | None:
        return None if self.expected_type is None else str(ColumnType.parse(self.expected_type))

    def required_columns(self) -> frozenset[str]:
        """The column."""
        return frozenset([self.column_name])

    def column_type(self, type_of: Callable[[str], ColumnType | None]) -> ColumnType | None:
        """The expected type; documents when they are processed from raw, else the column's own, or STRING."""
        if self._kind is not None:
            return ColumnType.parse(self._kind)
        kind = type_of(self.column_name)
        if self.process_from_raw:
            return ColumnType.NESTED_DATA
        return kind if kind is not None and not kind.is_complex and not self.parsed_path else ColumnType.STRING

    def vector(self, block: Block) -> AnyVector:
        """The values at the path."""
        source: Any = block.vector(self.column_name)
        path = self.parsed_path
        is_document = isinstance(source, ObjectVector)
        if not is_document and path:
            return null_vector(len(source))
        if not is_document and self._kind is None:
            return source  # type: ignore[no-any-return]
        if not is_document:
            vec = by_row(to_vec(block, self.column_name, source), len(source))
        elif self.process_from_raw and self._kind in (None, "COMPLEX<json>"):
            return ObjectVector(ColumnType.NESTED_DATA, object_array([find(v, path) for v in source.values]))
        else:
            vec = self._found(source, path)
        kind = self._kind
        if kind is not None:
            vec = convert(vec, "DOUBLE" if kind == "FLOAT" else kind)
        return to_vector(block, vec, len(source), kind)

    def _found(self, source: ObjectVector, path: Path) -> Vec:
        if self._kind is not None and self._kind.startswith("ARRAY"):
            items = [find(value, path) for value in source.values]
            return Vec("ARRAY<STRING>", object_array([v if v is None or isinstance(v, list) else [v] for v in items]))
        return of_any([find_literal(value, path) for value in source.values])


@json_type("fallback")
@frozen
class FallbackVirtualColumn(VirtualColumn):
    """The first of several columns that is there; the last-named absence is all null."""

    name: str
    columns: tuple[Any, ...]

    def __attrs_post_init__(self) -> None:
        if not self.columns:
            raise invalid_input(f"Cannot have a null/empty columns[[]], name[{self.name}]")

    @property
    def _names(self) -> list[str]:
        return [each if isinstance(each, str) else str(each.get("dimension")) for each in self.columns]

    def required_columns(self) -> frozenset[str]:
        """All of them."""
        return frozenset(self._names)

    def column_type(self, type_of: Callable[[str], ColumnType | None]) -> ColumnType | None:
        """That of the first that has one."""
        return next((kind for kind in map(type_of, self._names) if kind is not None), None)

    def vector(self, block: Block) -> AnyVector:
        """The values of the first that is there."""
        from nemeton.query.vectors import is_missing

        vectors: list[Any] = [block.vector(name) for name in self._names]
        found: AnyVector = next((vector for vector in vectors if not is_missing(vector)), vectors[0])
        return found
