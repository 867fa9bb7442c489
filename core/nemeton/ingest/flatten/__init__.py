"""Fields picked out of nested records: the ``flattenSpec`` of input formats."""

from nemeton.ingest.flatten.spec import FieldSpec, FlattenSpec

__all__ = ["FieldSpec", "FlattenSpec"]
