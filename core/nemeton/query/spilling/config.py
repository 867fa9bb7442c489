"""``druid.query.groupBy.*``, and of ``druid.processing.*`` what bounds the merging of groups."""

from __future__ import annotations

from attrs import field, frozen

from nemeton.common.machine import physical_memory
from nemeton.config import HumanReadableBytes
from nemeton.config.configurator import SHOWN_DEFAULT
from nemeton.query.model.context import QueryContext

_GIBIBYTE = 1024**3
_NONE = HumanReadableBytes(0)
_AS_MUCH = HumanReadableBytes(-1)
_LEAST_AUTOMATIC = 64 * 1024**2


@frozen(kw_only=True)
class GroupByQueryConfig:
    """``druid.query.groupBy.*``.

    ``max_on_disk_storage`` is what a query may ask for in its context, ``default_on_disk_storage`` (below 0: as much)
    what one gets that does not ask. ``max_merging_dictionary_size`` bounds the strings that are held (0: only the
    memory as a whole is bounded), ``buffer_grouper_max_size`` the groups.
    """

    max_on_disk_storage: HumanReadableBytes = _NONE
    default_on_disk_storage: HumanReadableBytes = _AS_MUCH
    max_merging_dictionary_size: HumanReadableBytes = _NONE
    buffer_grouper_max_size: int = 2**31 - 1


def _automatic_size() -> HumanReadableBytes:
    return HumanReadableBytes(max(_LEAST_AUTOMATIC, min(_GIBIBYTE, physical_memory(8 * _GIBIBYTE) // 8)))


@frozen(kw_only=True)
class ProcessingBufferConfig:
    """``druid.processing.buffer.*``: how many bytes of groups a query may hold while it merges."""

    size_bytes: HumanReadableBytes = field(
        factory=_automatic_size, metadata={SHOWN_DEFAULT: "memory / 8, at least 64 MiB, at most 1 GiB"}
    )


@frozen(kw_only=True)
class ProcessingFolderConfig:
    """Of ``druid.processing.*`` the folder of temporary files; none: the system's (``TMPDIR``)."""

    tmp_dir: str | None = None


@frozen
class MergeLimits:
    """What the merging of one query may use."""

    memory_bytes: int
    disk_bytes: int
    dictionary_bytes: int
    """0: not bounded by itself."""
    groups: int

    @classmethod
    def of(cls, context: QueryContext, config: GroupByQueryConfig, buffer: ProcessingBufferConfig) -> MergeLimits:
        """The configured limits, lowered by the context where it says so."""
        most = int(config.max_on_disk_storage)
        usual = int(config.default_on_disk_storage)
        most_groups = config.buffer_grouper_max_size
        return cls(
            int(buffer.size_bytes),
            min(most, context.get_size("maxOnDiskStorage", most if usual < 0 else usual)),
            context.get_size("maxMergingDictionarySize", int(config.max_merging_dictionary_size)),
            min(most_groups, context.get_int("bufferGrouperMaxSize", most_groups)),
        )
