"""The SQL functions, scalar and aggregate, and how they become native expressions and aggregators."""

from __future__ import annotations
