"""Errors in Druid's shape, clocks, backoff, scheduling, units, ids. Imports nothing heavy."""
