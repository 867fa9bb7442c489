"""Speed beside the real Druid: `python -m benchmarks startup|noop|memory|ingest|all`; see docs/benchmarks.md."""
