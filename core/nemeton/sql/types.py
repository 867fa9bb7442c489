"""SQL types: what the validator reasons with, and their counterparts in native queries.

A :class:`SqlType` is a name from Calcite's vocabulary (``VARCHAR``, ``BIGINT``, ``TIMESTAMP``, …), a nullability and,
for arrays and complex columns, the native type that lies beneath. Native types are Druid's strings (``LONG``,
``ARRAY<STRING>``, ``COMPLEX<json>``).
"""

from __future__ import annotations

from attrs import evolve, frozen

_NATIVE = {
    "VARCHAR": "STRING",
    "CHAR": "STRING",
    "BIGINT": "LONG",
    "INTEGER": "LONG",
    "SMALLINT": "LONG",
    "TINYINT": "LONG",
    "BOOLEAN": "LONG",
    "TIMESTAMP": "LONG",
    "DATE": "LONG",
    "DOUBLE": "DOUBLE",
    "DECIMAL": "DOUBLE",
    "REAL": "DOUBLE",
    "FLOAT": "FLOAT",
    "NULL": "STRING",
}

#: ``java.sql.Types``, as INFORMATION_SCHEMA.COLUMNS shows them.
JDBC_TYPES = {
    "VARCHAR": 12,
    "CHAR": 1,
    "BIGINT": -5,
    "INTEGER": 4,
    "SMALLINT": 5,
    "TINYINT": -6,
    "BOOLEAN": 16,
    "DOUBLE": 8,
    "FLOAT": 6,
    "REAL": 7,
    "DECIMAL": 3,
    "TIMESTAMP": 93,
    "DATE": 91,
    "ARRAY": 2003,
    "OTHER": 1111,
    "NULL": 0,
}

_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT"})
_FRACTIONS = frozenset({"FLOAT", "REAL", "DOUBLE", "DECIMAL"})
_NUMERIC_ORDER = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "DECIMAL", "FLOAT", "REAL", "DOUBLE")


@frozen
class SqlType:
    """A SQL type; `inner` is the native type of an ARRAY (``ARRAY<LONG>``) or a complex column (``COMPLEX<json>``)."""

    name: str
    nullable: bool = True
    inner: str | None = None

    @property
    def native(self) -> str:
        """The native column type, for instance ``LONG`` for a TIMESTAMP."""
        return self.inner or _NATIVE.get(self.name, "STRING")

    @property
    def is_numeric(self) -> bool:
        """Integers, DECIMAL, FLOAT and DOUBLE."""
        return self.name in _INTEGERS or self.name in _FRACTIONS

    @property
    def is_integer(self) -> bool:
        """TINYINT to BIGINT."""
        return self.name in _INTEGERS

    @property
    def is_character(self) -> bool:
        """VARCHAR and CHAR."""
        return self.name in ("VARCHAR", "CHAR")

    @property
    def is_datetime(self) -> bool:
        """TIMESTAMP and DATE."""
        return self.name in ("TIMESTAMP", "DATE")

    @property
    def is_boolean(self) -> bool:
        """BOOLEAN only; Druid's columns hold LONGs instead."""
        return self.name == "BOOLEAN"

    @property
    def is_array(self) -> bool:
        """ARRAY of anything."""
        return self.name == "ARRAY"

    @property
    def is_interval(self) -> bool:
        """The type of INTERVAL literals, of months or of milliseconds."""
        return self.name.startswith("INTERVAL")

    @property
    def jdbc(self) -> int:
        """The number in java.sql.Types."""
        return JDBC_TYPES.get(self.name, 1111)

    @property
    def family(self) -> str:
        """The name that error messages use: ``<NUMERIC>``, ``<CHARACTER>``, …"""
        if self.is_numeric:
            return "NUMERIC"
        if self.is_character:
            return "CHARACTER"
        if self.is_interval:
            return "DATETIME_INTERVAL"
        if self.is_array and self.inner:
            return sql_array_name(self.inner)
        if self.name == "OTHER" and self.inner:
            return self.inner
        return self.name

    def with_nullable(self, nullable: bool) -> SqlType:
        """The same type with this nullability."""
        return self if self.nullable == nullable else evolve(self, nullable=nullable)

    def __str__(self) -> str:
        return self.inner or self.name if self.name == "OTHER" else self.name


VARCHAR = SqlType("VARCHAR")
CHAR = SqlType("CHAR", nullable=False)
BIGINT = SqlType("BIGINT")
INTEGER = SqlType("INTEGER", nullable=False)
DOUBLE = SqlType("DOUBLE")
FLOAT = SqlType("FLOAT")
DECIMAL = SqlType("DECIMAL", nullable=False)
BOOLEAN = SqlType("BOOLEAN")
TIMESTAMP = SqlType("TIMESTAMP")
DATE = SqlType("DATE")
NULL = SqlType("NULL")
INTERVAL_DAY = SqlType("INTERVAL_DAY", nullable=False)
INTERVAL_MONTH = SqlType("INTERVAL_MONTH", nullable=False)


def element_of(array: SqlType) -> SqlType:
    """The type of an array's elements; VARCHAR of what is no array, as of multi-value strings."""
    inner = array.inner or ""
    return from_native(inner[len("ARRAY<") : -1]) if inner.startswith("ARRAY<") else VARCHAR


def array_of(element_native: str) -> SqlType:
    """An ARRAY whose elements have the given native type."""
    return SqlType("ARRAY", inner=f"ARRAY<{element_native}>")


def sql_array_name(native: str) -> str:
    """``ARRAY<STRING>`` as Calcite prints it: ``VARCHAR ARRAY``."""
    return f"{element_of(from_native(native)).name} ARRAY"


def from_native(native: str) -> SqlType:
    """The SQL type of a column of the given native type; unknown and complex types become OTHER."""
    plain = {"STRING": VARCHAR, "LONG": BIGINT, "DOUBLE": DOUBLE, "FLOAT": FLOAT}.get(native)
    if plain is not None:
        return plain
    if native.startswith("ARRAY<"):
        return SqlType("ARRAY", inner=native)
    return SqlType("OTHER", inner=native)


_TYPE_NAMES = {
    "VARCHAR": "VARCHAR",
    "TEXT": "VARCHAR",
    "CHAR": "CHAR",
    "NCHAR": "CHAR",
    "BIGINT": "BIGINT",
    "INT": "INTEGER",
    "SMALLINT": "SMALLINT",
    "TINYINT": "TINYINT",
    "DOUBLE": "DOUBLE",
    "FLOAT": "FLOAT",
    "REAL": "REAL",
    "DECIMAL": "DECIMAL",
    "BOOLEAN": "BOOLEAN",
    "TIMESTAMP": "TIMESTAMP",
    "DATE": "DATE",
}


def named(name: str, nullable: bool = True) -> SqlType | None:
    """The type that a CAST or a parameter names, or None when Druid has no such type."""
    canonical = _TYPE_NAMES.get(name.upper(), name.upper() if name.upper() in JDBC_TYPES else None)
    return SqlType(canonical, nullable) if canonical else None


def least_restrictive(types: list[SqlType]) -> SqlType | None:
    """The common type of CASE branches, set operations and comparisons; None when there is none."""
    nullable = any(t.nullable for t in types)
    known = [t for t in types if t.name != "NULL"]
    if not known:
        return NULL
    first = known[0]
    if all(t.is_numeric for t in known):
        name = max((t.name for t in known), key=_NUMERIC_ORDER.index)
        return SqlType("DOUBLE" if name == "DECIMAL" and len({t.name for t in known}) > 1 else name, nullable)
    if all(t.is_character for t in known):
        return SqlType("CHAR" if all(t.name == "CHAR" for t in known) else "VARCHAR", nullable)
    if all(t.is_datetime for t in known):
        return SqlType("DATE" if all(t.name == "DATE" for t in known) else "TIMESTAMP", nullable)
    if all(t.name == first.name and t.inner == first.inner for t in known):
        return first.with_nullable(nullable)
    if any(t.is_character for t in known) and all(
        t.is_character or t.is_numeric or t.is_boolean or t.is_datetime for t in known
    ):
        return SqlType("VARCHAR", nullable)
    return None
