"""LZF, the codec of early Druid segments."""

from __future__ import annotations

_RAW, _COMPRESSED = 0, 1
_MAX_CHUNK = 65535


def lzf_decompress(data: memoryview, max_size: int) -> bytes:
    """Decompress a sequence of LZF chunks; raises ValueError for damage or for more than `max_size` bytes.

    One step per token, not per byte. That is slow beside LZ4 (some 20 MB/s), and only segments from long ago need it.
    """
    out = bytearray()
    position = 0
    while position < len(data):
        if bytes(data[position : position + 2]) != b"ZV" or position + 5 > len(data):
            raise ValueError(f"no LZF chunk at byte {position}")
        size = int.from_bytes(data[position + 3 : position + 5], "big")
        kind = data[position + 2]
        position += 5
        if kind == _COMPRESSED:
            raw_size = int.from_bytes(data[position : position + 2], "big")
            position += 2
        elif kind != _RAW:
            raise ValueError(f"unknown kind {kind} of LZF chunk")
        chunk = bytes(data[position : position + size])
        position += size
        if len(chunk) != size:
            raise ValueError("an LZF chunk is cut off")
        out += chunk if kind == _RAW else _decompress_chunk(chunk, raw_size)
        if len(out) > max_size:
            raise ValueError(f"more than {max_size} bytes")
    return bytes(out)


def _decompress_chunk(chunk: bytes, raw_size: int) -> bytes:
    out = bytearray()
    position, end = 0, len(chunk)
    try:
        while position < end:
            control = chunk[position]
            position += 1
            if control < 32:  # a run of literals
                position += control + 1
                if position > end:
                    raise IndexError(position)
                out += chunk[position - control - 1 : position]
                continue
            length = control >> 5
            if length == 7:
                length += chunk[position]
                position += 1
            distance = ((control & 0x1F) << 8 | chunk[position]) + 1
            position += 1
            _copy_back(out, distance, length + 2)
    except IndexError as e:
        raise ValueError("an LZF chunk ends within a token") from e
    if len(out) != raw_size:
        raise ValueError(f"an LZF chunk gives {len(out)} bytes instead of {raw_size}")
    return bytes(out)


def _copy_back(out: bytearray, distance: int, length: int) -> None:
    start = len(out) - distance
    if start < 0:
        raise ValueError("an LZF reference points before the start")
    if length <= distance:
        out += out[start : start + length]
    else:  # the copy overlaps what it writes: the last `distance` bytes repeat
        out += (bytes(out[start:]) * (length // distance + 1))[:length]


def lzf_compress(raw: memoryview) -> bytes:
    """Compress into chunks of at most 65535 raw bytes, each compressed only where that makes it smaller."""
    import numpy as np

    from nemeton.segment.lzf_compiled import compress_chunk

    whole = np.frombuffer(raw, np.uint8)
    out = np.empty(_MAX_CHUNK + (_MAX_CHUNK >> 5) + 1, np.uint8)
    pieces = []
    for at in range(0, len(whole), _MAX_CHUNK):
        chunk = whole[at : at + _MAX_CHUNK]
        size = compress_chunk(chunk, out)
        if size + 2 < len(chunk):
            head = b"ZV\x01" + size.to_bytes(2, "big") + len(chunk).to_bytes(2, "big")
            pieces += [head, out[:size].tobytes()]
        else:
            pieces += [b"ZV\x00" + len(chunk).to_bytes(2, "big"), chunk.tobytes()]
    return b"".join(pieces)
