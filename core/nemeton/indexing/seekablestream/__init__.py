"""Ingestion from streams whose records have numbers."""
