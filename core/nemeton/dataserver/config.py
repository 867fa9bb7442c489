"""``druid.segmentCache.*``, ``druid.server.*`` and ``druid.processing.*`` of data servers."""

from __future__ import annotations

import os

from attrs import field, frozen

from nemeton.common.machine import physical_memory
from nemeton.config import HumanReadableBytes
from nemeton.config.configurator import SHOWN_DEFAULT

_UNLIMITED = HumanReadableBytes(2**63 - 1)
_NONE = HumanReadableBytes(0)


@frozen(kw_only=True)
class StorageLocationConfig:
    """One folder of the segment cache: at most ``max_size`` bytes, and so much of the disk is left free (percent)."""

    path: str
    max_size: HumanReadableBytes = _UNLIMITED
    free_space_percent: float | None = None


def _default_locations() -> list[StorageLocationConfig]:
    return [StorageLocationConfig(path="var/druid/segment-cache", max_size=HumanReadableBytes(300 * 1024**3))]


@frozen(kw_only=True)
class SegmentLoaderConfig:
    """``druid.segmentCache.*``. Times in milliseconds.

    Druid has no default for ``locations``; here it is a folder below the working directory.
    """

    locations: list[StorageLocationConfig] = field(
        factory=_default_locations,
        metadata={SHOWN_DEFAULT: '`[{"path":"var/druid/segment-cache","maxSize":"300GiB"}]`'},
    )
    delete_on_remove: bool = True
    drop_segment_delay_millis: int = 30_000
    info_dir: str | None = None
    num_loading_threads: int = field(
        factory=lambda: max(1, (os.cpu_count() or 1) // 6), metadata={SHOWN_DEFAULT: "processors / 6, at least 1"}
    )
    num_bootstrap_threads: int | None = None


@frozen(kw_only=True)
class DruidServerConfig:
    """``druid.server.*``: how a data server stands in its tier. ``max_size`` 0: the sum of the cache's locations."""

    max_size: HumanReadableBytes = _NONE
    tier: str = "_default_tier"
    priority: int = 0


def _default_cache_bytes() -> HumanReadableBytes:
    """A sixteenth of the machine's memory, but at least 256 MiB and at most 1 GiB."""
    return HumanReadableBytes(min(max(physical_memory() // 16, 256 * 1024**2), 1024**3))


@frozen(kw_only=True)
class DruidProcessingConfig:
    """``druid.processing.*``: how many segments are read at a time, and how much of them is kept decoded.

    ``decoded_column_cache_bytes`` is of this project: Druid leaves that to the page cache. It is for the whole process.
    """

    num_threads: int = field(
        factory=lambda: max(1, (os.cpu_count() or 2) - 1), metadata={SHOWN_DEFAULT: "processors − 1, at least 1"}
    )
    format_string: str = "processing-%s"
    decoded_column_cache_bytes: HumanReadableBytes = field(
        factory=_default_cache_bytes, metadata={SHOWN_DEFAULT: "memory / 16, at least `256MiB`, at most `1GiB`"}
    )
