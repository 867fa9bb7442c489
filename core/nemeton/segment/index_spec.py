"""How a segment is to be stored."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from nemeton.common.errors import invalid_input, unsupported
from nemeton.segment.compression import Codec


@frozen
class IndexSpec:
    """Druid's `indexSpec`. What Druid knows and this version cannot write is refused by `check`, by property name.

    The defaults are Druid's.
    """

    bitmap: dict[str, Any] | None = None
    dimension_compression: str | None = None
    string_dictionary_encoding: dict[str, Any] | None = None
    metric_compression: str | None = None
    long_encoding: str | None = None
    complex_metric_compression: str | None = field(default=None)
    json_compression: str | None = field(default=None)

    @property
    def dimension_codec(self) -> Codec:
        """The codec of dictionary codes; `uncompressed` stores them as one plain run."""
        return Codec.of_name(self.dimension_compression or "lz4", "dimensionCompression")

    @property
    def metric_codec(self) -> Codec:
        """The codec of `__time` and of all numbers."""
        return Codec.of_name(self.metric_compression or "lz4", "metricCompression")

    @property
    def is_auto_long(self) -> bool:
        """Whether longs are bit-packed where that is shorter."""
        return self.long_encoding == "auto"

    def check(self) -> IndexSpec:
        """Return self; raises for values that are unknown, or known and not supported yet."""
        for name, codec in (("dimensionCompression", self.dimension_codec), ("metricCompression", self.metric_codec)):
            if codec is Codec.LZF:
                raise unsupported(f"[{name}] lzf can be read but not written; use lz4 or zstd", field=name)
        if self.dimension_codec is Codec.NONE:
            raise invalid_input("[dimensionCompression] cannot be none; use uncompressed", field="dimensionCompression")
        if (self.long_encoding or "longs") not in ("longs", "auto"):
            raise invalid_input(
                f"[longEncoding] is [{self.long_encoding}]; known are: auto, longs", field="longEncoding"
            )
        _check_type(self.bitmap, "bitmap", "roaring", ("concise",))
        _check_type(self.string_dictionary_encoding, "stringDictionaryEncoding", "utf8", ("frontCoded",))
        return self


def _check_type(value: dict[str, Any] | None, name: str, written: str, only_read: tuple[str, ...]) -> None:
    kind = written if value is None else value.get("type")
    if kind in only_read:
        raise unsupported(f"[{name}] of type [{kind}] can be read but not written yet; use {written}", field=name)
    if kind != written:
        raise invalid_input(f"[{name}] has the unknown type [{kind}]", field=name)
