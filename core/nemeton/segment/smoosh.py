"""The container: a flat directory of named internal files inside memory-mapped chunks."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import IO

from attrs import define, field, frozen

from nemeton.common.errors import unsupported
from nemeton.segment.errors import bad_column, corrupt

MAX_CHUNK_BYTES = 2**31 - 1
FORMAT_VERSION = 9


@frozen
class _Entry:
    chunk: int
    start: int
    end: int


@define
class SmooshReader:
    """The internal files of one segment directory. Opening reads only `meta.smoosh`; chunks are mapped at first use."""

    directory: Path
    entries: dict[str, _Entry]
    _chunks: dict[int, memoryview] = field(factory=dict)
    _maps: list[mmap.mmap] = field(factory=list)

    @classmethod
    def open(cls, directory: Path) -> SmooshReader:
        """Open a segment directory; raises a `corrupt` error when it is not a whole V9 segment."""
        try:
            version = (directory / "version.bin").read_bytes()
            meta = (directory / "meta.smoosh").read_text("utf-8")
        except (OSError, UnicodeDecodeError) as e:
            raise corrupt(str(directory), f"not a segment directory: {e}") from e
        if int.from_bytes(version[:4], "big") != FORMAT_VERSION or len(version) < 4:
            raise corrupt("version.bin", f"expected version {FORMAT_VERSION}, found bytes [{version[:8].hex()}]")
        reader = cls(directory, _parse_meta(meta))
        reader._check_chunks()
        return reader

    def _check_chunks(self) -> None:
        needed: dict[int, int] = {}
        for name, entry in sorted(self.entries.items(), key=lambda item: (item[1].chunk, item[1].start, item[1].end)):
            if entry.start < needed.get(entry.chunk, 0) and entry.start < entry.end:
                raise corrupt("meta.smoosh", f"internal file [{name}] begins before the one in front of it ends")
            needed[entry.chunk] = max(needed.get(entry.chunk, 0), entry.end)
        for chunk, end in needed.items():
            path = self.chunk_path(chunk)
            size = path.stat().st_size if path.is_file() else -1
            if size < end:
                raise corrupt(path.name, f"{end} bytes are expected, {max(size, 0)} are there")

    def chunk_path(self, chunk: int) -> Path:
        """Return the path of a chunk file."""
        return self.directory / f"{chunk:05d}.smoosh"

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def file(self, name: str) -> memoryview:
        """Return the bytes of an internal file as a view of the mapping."""
        entry = self.entries.get(name)
        if entry is None:
            raise corrupt("meta.smoosh", f"there is no internal file [{name}]")
        return self._chunk(entry.chunk)[entry.start : entry.end]

    def _chunk(self, number: int) -> memoryview:
        view = self._chunks.get(number)
        if view is None:
            with self.chunk_path(number).open("rb") as f:
                size = f.seek(0, 2)
                mapped = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) if size else None
            if mapped is not None:
                self._maps.append(mapped)
            view = self._chunks.setdefault(number, memoryview(mapped or b""))
        return view

    def close(self) -> None:
        """Drop the mappings. Arrays that still look into one keep it mapped until they go."""
        self._chunks.clear()
        for mapped in self._maps:
            try:
                mapped.close()
            except BufferError:
                continue
        self._maps.clear()


def _parse_meta(text: str) -> dict[str, _Entry]:
    lines = text.split("\n")
    header = lines[0].split(",")
    if header[0] != "v1" or len(header) != 3:
        raise corrupt("meta.smoosh", f"first line is [{lines[0][:100]}]")
    entries = {}
    for line in lines[1:]:
        if not line:
            continue
        fields = line.split(",")
        try:
            name, chunk, start, end = fields[0], *(int(x) for x in fields[1:])
        except ValueError as e:
            raise corrupt("meta.smoosh", f"bad line [{line[:200]}]") from e
        if chunk < 0 or not 0 <= start <= end <= MAX_CHUNK_BYTES:
            raise corrupt("meta.smoosh", f"bad line [{line[:200]}]")
        entries[name] = _Entry(chunk, start, end)
    return entries


@define
class SmooshWriter:
    """Writes internal files one after the other into chunk files; nothing is kept in memory."""

    directory: Path
    max_chunk_bytes: int = MAX_CHUNK_BYTES
    _entries: dict[str, _Entry] = field(factory=dict)
    _out: IO[bytes] | None = None
    _chunk: int = -1
    _position: int = 0

    def add(self, name: str, parts: list[bytes | memoryview]) -> None:
        """Append an internal file made of `parts`. A name with a comma cannot be stored: the index has no escape."""
        if "," in name or "\n" in name:
            raise bad_column(name, "a segment cannot hold a column whose name has a comma or a line break")
        if name in self._entries:
            raise bad_column(name, "there are two columns of this name")
        size = sum(memoryview(p).nbytes for p in parts)
        if size > self.max_chunk_bytes:
            raise unsupported(
                f"Column [{name}] takes {size} bytes; {self.max_chunk_bytes} are possible. Make more partitions"
            )
        if self._out is None or self._position + size > self.max_chunk_bytes:
            self._next_chunk()
        assert self._out is not None
        for part in parts:
            self._out.write(part)
        self._entries[name] = _Entry(self._chunk, self._position, self._position + size)
        self._position += size

    def _next_chunk(self) -> None:
        if self._out is not None:
            self._out.close()
        self._chunk += 1
        self._position = 0
        self._out = (self.directory / f"{self._chunk:05d}.smoosh").open("wb")

    def finish(self) -> None:
        """Write `meta.smoosh`; the container is complete after this."""
        if self._out is None:
            self._next_chunk()
        self.abort()
        lines = [f"v1,{self.max_chunk_bytes},{self._chunk + 1}"]
        lines += [f"{n},{e.chunk},{e.start},{e.end}" for n, e in sorted(self._entries.items())]
        (self.directory / "meta.smoosh").write_text("\n".join(lines) + "\n", "utf-8")

    def abort(self) -> None:
        """Close the open chunk file."""
        if self._out is not None:
            self._out.close()
            self._out = None
