"""What a data server of many rows loads before its first query."""

from __future__ import annotations

from nemeton.common.numba_cache import COMPILE_AFTER
from nemeton.dataserver.segments import SegmentManager
from nemeton.lifecycle import lifecycle_start


class KernelPreloader:
    """Loads the compiled kernels in the background, once the server is announced and serves rows that are worth it.

    The first query would otherwise run without them, beside their loading. Small servers never load them.
    """

    def __init__(self, segments: SegmentManager) -> None:
        self._segments = segments

    @lifecycle_start
    def start(self) -> None:
        """Look at what is served now and whenever a segment is added."""
        self._segments.on_added(self._look)
        self._look()

    def _look(self) -> None:
        if self._segments.num_rows >= COMPILE_AFTER:
            # numpy is here, since segments are; the start needs none
            from nemeton.query.kernels import compiled_kernels

            compiled_kernels.expect()
