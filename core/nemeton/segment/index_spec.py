"""How a segment is to be stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.segment.compression import Codec

_MAX_BUCKET = 128


@frozen
class FrontCoded:
    """A dictionary in buckets of values that share beginnings; ``format_version`` is 0 or 1."""

    bucket_size: int = 4
    format_version: int = 1


@frozen
class IndexSpec:
    """Druid's `indexSpec`. What Druid refuses is refused by `check`, by property name. The defaults are Druid's.

    ``bitmap`` of type ``roaring`` may say ``compressRunOnSerialization``: runs are always compressed, as in Druid.
    ``segment_loader`` goes into the segment's ``factory.json`` as it is.
    """

    bitmap: dict[str, Any] | None = None
    dimension_compression: str | None = None
    string_dictionary_encoding: dict[str, Any] | None = None
    metric_compression: str | None = None
    long_encoding: str | None = None
    complex_metric_compression: str | None = field(default=None)
    json_compression: str | None = field(default=None)
    segment_loader: dict[str, Any] | None = None

    @property
    def is_concise(self) -> bool:
        """Whether bitmaps are Concise, not Roaring."""
        return self.bitmap is not None and self.bitmap.get("type") == "concise"

    @property
    def bitmap_factory(self) -> dict[str, Any]:
        """What descriptors say about bitmaps."""
        return {"type": "concise" if self.is_concise else "roaring"}

    @property
    def dimension_codec(self) -> Codec:
        """The codec of dictionary codes; `uncompressed` stores them as one plain run."""
        return Codec.of_name(self.dimension_compression or "lz4", "dimensionCompression")

    @property
    def metric_codec(self) -> Codec:
        """The codec of `__time` and of all numbers."""
        return Codec.of_name(self.metric_compression or "lz4", "metricCompression")

    @property
    def json_codec(self) -> Codec:
        """The codec of raw documents."""
        return Codec.of_name(self.json_compression or "lz4", "jsonCompression")

    @property
    def complex_codec(self) -> Codec | None:
        """The codec of complex values; None when they are not compressed."""
        name = self.complex_metric_compression
        return None if name is None else Codec.of_name(name, "complexMetricCompression")

    @property
    def is_auto_long(self) -> bool:
        """Whether longs are bit-packed where that is shorter."""
        return str(self.long_encoding).lower() == "auto"

    @property
    def front_coded(self) -> FrontCoded | None:
        """How dictionaries of strings are front-coded; None when they are stored plainly."""
        encoding = self.string_dictionary_encoding
        if encoding is None or encoding.get("type") == "utf8":
            return None
        bucket, version = encoding.get("bucketSize"), encoding.get("formatVersion")
        return FrontCoded(4 if bucket is None else bucket, 1 if version is None else version)

    def check(self) -> IndexSpec:
        """Return self; raises for values that Druid does not know."""
        for name, codec in (
            ("metricCompression", self.metric_codec),
            ("dimensionCompression", self.dimension_codec),
            ("jsonCompression", self.json_codec),
            ("complexMetricCompression", self.complex_codec),
        ):
            if codec is Codec.NONE and name != "metricCompression":
                raise invalid_input(f"[{name}] cannot be none; use uncompressed", field=name)
        if str(self.long_encoding or "longs").lower() not in ("longs", "auto"):
            raise invalid_input(
                f"[longEncoding] is [{self.long_encoding}]; known are: auto, longs", field="longEncoding"
            )
        _check_type(self.bitmap, "bitmap", ("concise", "roaring"))
        _check_type(self.string_dictionary_encoding, "stringDictionaryEncoding", ("frontCoded", "utf8"))
        if self.front_coded is not None:
            _check_front_coded(self.front_coded)
        if self.segment_loader is not None and not isinstance(self.segment_loader.get("type"), str):
            raise invalid_input("[segmentLoader] has no type", field="segmentLoader")
        return self


def _check_type(value: Mapping[str, Any] | None, name: str, known: tuple[str, ...]) -> None:
    if value is not None and value.get("type") not in known:
        raise invalid_input(
            f"[{name}] has the unknown type [{value.get('type')}]; known are: {', '.join(known)}", field=name
        )


def _check_front_coded(form: FrontCoded) -> None:
    name, size = "stringDictionaryEncoding", form.bucket_size
    if not isinstance(size, int) or not 0 < size <= _MAX_BUCKET or size & (size - 1):
        raise invalid_input(
            f"[{name}] has bucketSize [{size}], which must be a power of two, at most {_MAX_BUCKET}", field=name
        )
    if form.format_version not in (0, 1):
        raise invalid_input(f"[{name}] has formatVersion [{form.format_version}]; known are: 0, 1", field=name)
