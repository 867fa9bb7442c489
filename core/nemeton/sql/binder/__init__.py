"""Validation: a parsed statement against the catalog becomes a logical plan of bound, typed expressions."""

from __future__ import annotations
