"""DuckDB in this process over a table of its own, in order of time as our segments are."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

_COLUMNS = """
    l_shipdate::TIMESTAMP AS __time, l_returnflag, l_linestatus, l_orderkey::BIGINT AS l_orderkey,
    l_partkey::BIGINT AS l_partkey, l_suppkey::VARCHAR AS l_suppkey, l_linenumber::BIGINT AS l_linenumber,
    l_quantity::DOUBLE AS l_quantity, l_extendedprice::DOUBLE AS l_extendedprice, l_discount::DOUBLE AS l_discount,
    l_tax::DOUBLE AS l_tax, l_commitdate::VARCHAR AS l_commitdate, l_receiptdate::VARCHAR AS l_receiptdate,
    l_shipinstruct, l_shipmode
"""


class DuckDbSide:
    """Two threads; the table has the types that the segments have."""

    def __init__(self, csv: Path) -> None:
        import duckdb

        file = csv.with_suffix(".duckdb")
        self._connection = duckdb.connect(str(file))
        self._connection.execute("SET threads = 2")
        tables = self._connection.execute("SELECT count(*) FROM information_schema.tables").fetchone()
        if not tables or not tables[0]:
            source = f"read_csv('{csv}', header = true)"
            self._connection.execute(f"CREATE TABLE lineitem AS SELECT {_COLUMNS} FROM {source} ORDER BY 1")

    def prepare(self, sql: str) -> None:
        """Parse and bind a statement, for `run`."""
        self._connection.execute(f"PREPARE asked AS {sql}")

    def run(self) -> list[tuple[Any, ...]]:
        """The rows of the prepared statement."""
        found: list[tuple[Any, ...]] = self._connection.execute("EXECUTE asked").fetchall()
        return found

    def shown(self) -> list[list[Any]]:
        """The rows as SQL over HTTP shows them."""
        return [[_shown(value) for value in row] for row in self.run()]


def _shown(value: Any) -> Any:
    return value.isoformat(timespec="milliseconds") + "Z" if isinstance(value, datetime) else value
