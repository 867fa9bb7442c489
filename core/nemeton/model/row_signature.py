"""Types of columns, and rows as ordered names with types."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from attrs import field, frozen

from nemeton.common.errors import invalid_input


@frozen(repr=False)
class ColumnType:
    """STRING, LONG, FLOAT, DOUBLE, ARRAY<element>, or COMPLEX<name>; written as Druid writes it."""

    STRING: ClassVar[ColumnType]
    LONG: ClassVar[ColumnType]
    FLOAT: ClassVar[ColumnType]
    DOUBLE: ClassVar[ColumnType]
    STRING_ARRAY: ClassVar[ColumnType]
    LONG_ARRAY: ClassVar[ColumnType]
    DOUBLE_ARRAY: ClassVar[ColumnType]
    NESTED_DATA: ClassVar[ColumnType]
    UNKNOWN_COMPLEX: ClassVar[ColumnType]

    kind: str
    element: ColumnType | None = None
    complex_name: str | None = None

    @classmethod
    @functools.lru_cache(maxsize=1024)
    def parse(cls, text: str) -> ColumnType:
        """From Druid's spelling, in any case. Raises invalid_input."""
        upper = text.strip().upper()
        if upper in ("STRING", "LONG", "FLOAT", "DOUBLE"):
            return cls(upper)
        if upper.startswith("ARRAY<") and upper.endswith(">"):
            return cls("ARRAY", element=cls.parse(text.strip()[6:-1]))
        if upper == "COMPLEX":
            return cls("COMPLEX")
        if upper.startswith("COMPLEX<") and upper.endswith(">"):
            return cls("COMPLEX", complex_name=text.strip()[8:-1])
        raise invalid_input(f"Unknown column type [{text}]")

    @classmethod
    def complex(cls, name: str | None) -> ColumnType:
        """A complex type by its name."""
        return cls("COMPLEX", complex_name=name)

    @classmethod
    def array(cls, element: ColumnType) -> ColumnType:
        """An array of the type."""
        return cls("ARRAY", element=element)

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> ColumnType:
        """From Druid's spelling."""
        return value if isinstance(value, ColumnType) else cls.parse(str(value))

    def to_json(self, json: Any = None) -> str:
        """Druid's spelling."""
        return str(self)

    @property
    def is_numeric(self) -> bool:
        """LONG, FLOAT, DOUBLE."""
        return self.kind in ("LONG", "FLOAT", "DOUBLE")

    @property
    def is_array(self) -> bool:
        """An array of something."""
        return self.kind == "ARRAY"

    @property
    def is_complex(self) -> bool:
        """A complex type."""
        return self.kind == "COMPLEX"

    def __str__(self) -> str:
        if self.kind == "ARRAY":
            return f"ARRAY<{self.element}>"
        return f"COMPLEX<{self.complex_name}>" if self.complex_name is not None else self.kind

    __repr__ = __str__


for _kind in ("STRING", "LONG", "FLOAT", "DOUBLE"):
    setattr(ColumnType, _kind, ColumnType(_kind))
for _kind in ("STRING", "LONG", "DOUBLE"):
    setattr(ColumnType, _kind + "_ARRAY", ColumnType("ARRAY", ColumnType(_kind)))
ColumnType.NESTED_DATA = ColumnType("COMPLEX", complex_name="json")
ColumnType.UNKNOWN_COMPLEX = ColumnType("COMPLEX")


def _columns(columns: Mapping[str, ColumnType | None] | Iterable[tuple[str, ColumnType | None]]) -> Any:
    return dict(columns)


@frozen
class RowSignature:
    """Columns in order with their types (None: not known). Immutable."""

    columns: dict[str, ColumnType | None] = field(factory=dict, converter=_columns, hash=False)

    @property
    def column_names(self) -> list[str]:
        """In order."""
        return list(self.columns)

    def column_type(self, name: str) -> ColumnType | None:
        """The type of the column; None when it is not there or not known."""
        return self.columns.get(name)

    def index_of(self, name: str) -> int:
        """Its place; -1 when it is not there."""
        return self.column_names.index(name) if name in self.columns else -1

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[tuple[str, ColumnType | None]]:
        return iter(self.columns.items())

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> RowSignature:
        """From ``[{"name": …, "type": …}, …]``."""
        return cls(
            {column["name"]: ColumnType.parse(column["type"]) if column.get("type") else None for column in value}
        )

    def to_json(self, json: Any = None) -> list[dict[str, str]]:
        """``[{"name": …, "type": …}, …]``; the type is left out where it is not known."""
        return [{"name": name, "type": str(type_)} if type_ else {"name": name} for name, type_ in self]
