"""Batch ingestion tasks: ``index`` and ``index_parallel``."""
