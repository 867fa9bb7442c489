"""The statements of the speed comparison, over TPC-H lineitem: as Druid and nemeton, and as DuckDB take them."""

from __future__ import annotations

from attrs import frozen

_FOUR_SUMS = "SUM(l_quantity) AS qty, SUM(l_extendedprice) AS price, SUM(l_discount) AS discount, SUM(l_tax) AS tax"
_FOUR = "SUM(l_quantity) AS qty, SUM(l_extendedprice) AS price, MIN(l_discount) AS low, MAX(l_discount) AS high"


@frozen
class Statement:
    """One statement. `keys` is how many of the first columns are the group; `limit` cuts rows of equal order freely."""

    name: str
    sql: str
    keys: int = 0
    metric: int | None = None
    """The column that a top list is ordered by: rows at the cut may be others where it is equal."""
    duckdb: str = ""
    any_rows: bool = False
    """Whether any rows will do: a limit without an order."""

    @property
    def duckdb_sql(self) -> str:
        """The statement in DuckDB's dialect."""
        return self.duckdb or self.sql


def _between(start: str, end: str) -> str:
    return f"__time >= TIMESTAMP '{start}' AND __time < TIMESTAMP '{end}'"


STATEMENTS = (
    Statement(
        "count over an interval",
        f"SELECT COUNT(*) AS n FROM lineitem WHERE {_between('1992-02-15', '1998-10-15')}",
    ),
    Statement("sum of one metric", "SELECT SUM(l_extendedprice) AS price FROM lineitem"),
    Statement("sum of four metrics", f"SELECT {_FOUR_SUMS} FROM lineitem"),
    Statement(
        "four sums by year",
        f"SELECT FLOOR(__time TO YEAR) AS y, {_FOUR_SUMS} FROM lineitem GROUP BY 1 ORDER BY 1",
        keys=1,
        duckdb=f"SELECT date_trunc('year', __time) AS y, {_FOUR_SUMS} FROM lineitem GROUP BY 1 ORDER BY 1",
    ),
    Statement("four sums, LIKE filter", f"SELECT {_FOUR_SUMS} FROM lineitem WHERE l_shipmode LIKE '%AIR%'"),
    Statement(
        "TPC-H Q1",
        "SELECT l_returnflag, l_linestatus, SUM(l_quantity) AS sum_qty, SUM(l_extendedprice) AS sum_base, "
        "SUM(l_extendedprice * (1 - l_discount)) AS sum_disc, "
        "SUM(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS sum_charge, AVG(l_quantity) AS avg_qty, "
        "AVG(l_extendedprice) AS avg_price, AVG(l_discount) AS avg_disc, COUNT(*) AS n FROM lineitem "
        "WHERE __time < TIMESTAMP '1998-09-03' GROUP BY 1, 2 ORDER BY 1, 2",
        keys=2,
    ),
    Statement(
        "TPC-H Q6",
        "SELECT SUM(l_extendedprice * l_discount) AS revenue FROM lineitem "
        f"WHERE {_between('1994-01-01', '1995-01-01')} AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24",
    ),
    Statement(
        "top 100 suppliers",
        "SELECT l_suppkey, SUM(l_quantity) AS qty FROM lineitem GROUP BY 1 ORDER BY 2 DESC LIMIT 100",
        keys=1,
        metric=1,
    ),
    Statement(
        "top 100 commit dates, four aggregates",
        f"SELECT l_commitdate, {_FOUR} FROM lineitem GROUP BY 1 ORDER BY 2 DESC LIMIT 100",
        keys=1,
        metric=1,
    ),
    Statement(
        "top 100 parts, filtered",
        f"SELECT l_partkey, {_FOUR} FROM lineitem WHERE l_shipmode = 'AIR' AND "
        f"{_between('1994-06-01', '1997-06-01')} GROUP BY 1 ORDER BY 2 DESC LIMIT 100",
        keys=1,
        metric=1,
    ),
    Statement(
        "group by three dimensions",
        "SELECT l_returnflag, l_shipmode, l_shipinstruct, COUNT(*) AS n, SUM(l_quantity) AS qty FROM lineitem "
        "GROUP BY 1, 2, 3",
        keys=3,
    ),
    Statement("exact distinct suppliers", "SELECT COUNT(DISTINCT l_suppkey) AS n FROM lineitem"),
    Statement(
        "one supplier",
        "SELECT COUNT(*) AS n, SUM(l_extendedprice) AS price FROM lineitem WHERE l_suppkey = '4217'",
    ),
    Statement(
        "scan of 10,000 rows",
        "SELECT __time, l_orderkey, l_partkey, l_suppkey, l_quantity, l_extendedprice FROM lineitem "
        "WHERE l_suppkey < '117' AND l_quantity < 30 LIMIT 10000",
        any_rows=True,
    ),
)  # fmt: skip

#: The context of every statement: no cache of results, exact distinct counts.
CONTEXT = {
    "useCache": False,
    "populateCache": False,
    "useResultLevelCache": False,
    "populateResultLevelCache": False,
    "useApproximateCountDistinct": False,
}
