"""From the logical plan to native queries: expressions, filters, aggregators and the choice of the query type."""

from __future__ import annotations
