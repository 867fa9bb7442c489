"""Druid SQL: parsed by sqlglot, validated against a catalog, planned into native queries.

The way of a statement: :mod:`dialect` (text to syntax tree) → :mod:`binder` (to a logical plan of typed expressions) →
:mod:`planner` and :mod:`native` (to a physical plan of native queries) → :mod:`execution` (rows) → :mod:`web` (HTTP).
The Broker binds :class:`nemeton.sql.execution.NativeQueryExecutor`, :class:`nemeton.sql.catalog.DruidSchema` and
:class:`nemeton.sql.system.sys_tables.SystemSchemaProvider`.
"""

from __future__ import annotations
