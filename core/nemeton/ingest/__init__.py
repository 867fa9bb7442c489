"""Ingestion: input sources and formats, schemas, and the way from batches of input to segments."""
