"""Lines of files as keys and values: the ``format`` of ``namespaceParseSpec``."""

from __future__ import annotations

import csv
import json as plain_json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from attrs import field, frozen

from nemeton.common.errors import invalid_input, runtime_failure
from nemeton.json import wire
from nemeton.lookups.state import java_text
from nemeton_lookups_cached_global.namespaces import one_of

Pair = tuple[str, str | None]

_LIST_DELIMITER = "\u0001"


class FlatDataParser(ABC):
    """Reads the lines of one file, from its first one on."""

    type_name: ClassVar[str]

    @abstractmethod
    def pairs(self, lines: Iterable[str]) -> Iterator[Pair]:
        """Keys and values, in order. Raises at a line that is damaged: then none of the file counts."""

    @staticmethod
    def from_json(value: Any, json: Any) -> FlatDataParser:
        """By ``format``: ``csv``, ``tsv``, ``customJson``, ``simpleJson``."""
        kinds: tuple[type[FlatDataParser], ...] = (
            CSVFlatDataParser,
            TSVFlatDataParser,
            JSONFlatDataParser,
            ObjectMapperFlatDataParser,
        )
        return one_of(kinds, value, json, "format", "namespaceParseSpec")

    def to_json(self, json: Any) -> dict[str, Any]:
        """As it was given."""
        return {"format": self.type_name, **json.unstructure_fields(self)}


@frozen(kw_only=True)
class _Columns(FlatDataParser):
    columns: list[str] | None = None
    key_column: str | None = None
    value_column: str | None = None
    has_header_row: bool = False
    skip_header_rows: int = 0

    def __attrs_post_init__(self) -> None:
        if self.columns is None and not self.has_header_row:
            raise invalid_input("`columns` list required")
        if self.columns is not None:
            self._places(self.columns)

    def _places(self, columns: list[str]) -> tuple[int, int]:
        """Where key and value are."""
        if len(columns) < 2:
            raise invalid_input("Must specify more than one column to have a key value pair")
        if bool(self.key_column) != bool(self.value_column):
            raise invalid_input(
                "Must specify both `keyColumn` and `valueColumn` or neither `keyColumn` nor `valueColumn`"
            )
        names = (self.key_column or columns[0], self.value_column or columns[1])
        for name in names:
            if name not in columns:
                raise invalid_input(f"Column [{name}] not found int columns: {java_text(columns)}")
        return columns.index(names[0]), columns.index(names[1])

    def cells(self, line: str) -> list[str]:
        """The cells of a line."""
        raise NotImplementedError

    @property
    def between_values(self) -> str:
        """What parts the values of a cell that has several."""
        return _LIST_DELIMITER

    def pairs(self, lines: Iterable[str]) -> Iterator[Pair]:
        """See `FlatDataParser`; a line without a value is passed over."""
        columns = self.columns
        is_header_next = self.has_header_row
        places = None if columns is None else self._places(columns)
        for number, line in enumerate(lines):
            if number < self.skip_header_rows:
                continue
            cells = self.cells(line)
            if is_header_next:
                is_header_next = False
                places = places or self._places(cells)
                continue
            assert places is not None
            key, value = (self._text(cells, place) for place in places)
            if key is None:
                raise runtime_failure(f"Key column [{self.key_column}] missing data in line [{line}]")
            if value is not None:
                yield key, value

    def _text(self, cells: list[str], place: int) -> str | None:
        if place >= len(cells):
            return None
        cell = cells[place]
        return java_text(cell.split(self.between_values)) if self.between_values in cell else cell


@frozen(kw_only=True)
class CSVFlatDataParser(_Columns):
    """Cells between commas, in quotes where need be."""

    type_name: ClassVar[str] = "csv"

    def cells(self, line: str) -> list[str]:
        """See `_Columns`."""
        return next(csv.reader([line])) if '"' in line else line.split(",")


@frozen(kw_only=True)
class TSVFlatDataParser(_Columns):
    """Cells between delimiters, a tab unless it is given; without quotes."""

    type_name: ClassVar[str] = "tsv"

    delimiter: str | None = None
    list_delimiter: str | None = None

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if (self.delimiter or "\t") == self.between_values:
            raise invalid_input(f"Cannot have same delimiter and list delimiter of [{self.delimiter}]")

    @property
    def between_values(self) -> str:
        """See `_Columns`."""
        return self.list_delimiter or _LIST_DELIMITER

    def cells(self, line: str) -> list[str]:
        """See `_Columns`."""
        return line.split(self.delimiter or "\t")


def _parsed(line: str) -> dict[str, Any]:
    try:
        found = plain_json.loads(line)
    except ValueError as failure:
        raise runtime_failure(f"Line [{line[:200]}] is no JSON: {failure}") from failure
    if not isinstance(found, dict):
        raise runtime_failure(f"Line [{line[:200]}] is no JSON object")
    return found


@frozen(kw_only=True)
class JSONFlatDataParser(FlatDataParser):
    """An object in each line, with a field for the key and one for the value."""

    type_name: ClassVar[str] = "customJson"

    key_field_name: str = field(default="", metadata=wire("keyFieldName"))
    value_field_name: str = field(default="", metadata=wire("valueFieldName"))

    def __attrs_post_init__(self) -> None:
        for name, value in (("keyFieldName", self.key_field_name), ("valueFieldName", self.value_field_name)):
            if not value:
                raise invalid_input(f"[{name}] cannot be empty")

    def pairs(self, lines: Iterable[str]) -> Iterator[Pair]:
        """See `FlatDataParser`; a line without a value is passed over."""
        for line in lines:
            found = _parsed(line)
            key, value = found.get(self.key_field_name), found.get(self.value_field_name)
            if key is None:
                raise runtime_failure(f"Key column [{self.key_field_name}] missing data in line [{line[:200]}]")
            if value is not None:
                yield java_text(key), java_text(value)


@frozen(kw_only=True)
class ObjectMapperFlatDataParser(FlatDataParser):
    """An object in each line, whose fields are keys with their values."""

    type_name: ClassVar[str] = "simpleJson"

    def pairs(self, lines: Iterable[str]) -> Iterator[Pair]:
        """See `FlatDataParser`."""
        for line in lines:
            for key, value in _parsed(line).items():
                if isinstance(value, dict | list):
                    raise runtime_failure(f"The value of [{key}] is neither a text nor a number")
                yield key, None if value is None else java_text(value)
