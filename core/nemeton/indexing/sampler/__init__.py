"""The sampler: what an ingestion would make of the first records of its input."""
