"""A stream's offsets as Kafka's: what the extension for Kafka will bring."""

from attrs import frozen

from nemeton.indexing.seekablestream.metadata import SeekableStreamDataSourceMetadata
from nemeton.plugins import json_type


@json_type("kafka")
@frozen
class KafkaLikeMetadata(SeekableStreamDataSourceMetadata):
    """Numbers are offsets; a task ends before the one that it names."""
