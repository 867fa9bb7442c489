"""How the columns of one segment are encoded: the `indexSpec` as the encoders need it."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from nemeton.segment.compression import Codec, Compressor
from nemeton.segment.encode import Pieces
from nemeton.segment.index_spec import IndexSpec


@frozen
class ColumnSettings:
    """The `indexSpec`, and how hard LZ4 tries."""

    spec: IndexSpec
    lz4_level: int = 0

    @property
    def numbers(self) -> Compressor:
        """For number columns."""
        return Compressor(self.spec.metric_codec, self.lz4_level)

    @property
    def codes(self) -> Compressor:
        """For dictionary codes."""
        return Compressor(self.spec.dimension_codec, self.lz4_level)

    @property
    def auto_codes(self) -> Compressor:
        """For the codes of auto columns, which are always compressed."""
        codec = self.spec.dimension_codec
        return Compressor(Codec.LZ4 if codec is Codec.UNCOMPRESSED else codec, self.lz4_level)

    @property
    def documents(self) -> Compressor:
        """For raw documents."""
        return Compressor(self.spec.json_codec, self.lz4_level)

    @property
    def complex_values(self) -> Compressor | None:
        """For complex values; None when they are stored plainly."""
        codec = self.spec.complex_codec
        return None if codec is None else Compressor(codec, self.lz4_level)

    def part(self, kind: str, **more: Any) -> dict[str, Any]:
        """A part of a descriptor, with what all parts say."""
        return {"type": kind, **more, "byteOrder": "LITTLE_ENDIAN", "bitmapSerdeFactory": self.spec.bitmap_factory}


@frozen
class EncodedColumn:
    """A column's own file, and the further files that it needs, by suffix; in the order to write them."""

    pieces: Pieces
    files: tuple[tuple[str, Pieces], ...] = ()
    is_null_only: bool = False
