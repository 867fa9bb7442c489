"""What a data source's rows look like: the ``dataSchema`` of an ingestion spec."""

from nemeton.ingest.schema.data_schema import DataSchema
from nemeton.ingest.schema.dimensions import DimensionSchema, DimensionsSpec, MultiValueHandling
from nemeton.ingest.schema.granularity_spec import GranularitySpec
from nemeton.ingest.schema.timestamp_spec import TimestampSpec
from nemeton.ingest.schema.transform_spec import ExpressionTransform, TransformSpec

__all__ = [
    "DataSchema",
    "DimensionSchema",
    "DimensionsSpec",
    "ExpressionTransform",
    "GranularitySpec",
    "MultiValueHandling",
    "TimestampSpec",
    "TransformSpec",
]
