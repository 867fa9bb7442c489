"""``druid.zk.service.*``, ``druid.zk.paths.*`` and ``druid.zk.paths.indexer.*``."""

from __future__ import annotations

from attrs import Attribute, Factory, evolve, field, frozen, validators

from nemeton.config import PasswordProvider
from nemeton.config.configurator import SHOWN_DEFAULT


@frozen(kw_only=True)
class CuratorConfig:
    """``druid.zk.service.*`` (Druid's ``CuratorConfig``): where ZooKeeper is, and how patient its clients are.

    ``host`` lists ``host:port`` with commas. ZooKeeper may grant a shorter session than the one asked for. With ``acl``
    only the user that made a node may read or change it.
    """

    enabled: bool = True
    host: str = "localhost"
    session_timeout_ms: int = field(default=30_000, validator=validators.gt(0))
    connection_timeout_ms: int = field(default=15_000, validator=validators.gt(0))
    compress: bool = True
    acl: bool = False
    user: str | None = None
    pwd: PasswordProvider | None = None
    auth_scheme: str = "digest"

    def credentials(self) -> str | None:
        """``user:password``, when both are there."""
        password = self.pwd.get_password() if self.pwd is not None else None
        return f"{self.user}:{password}" if self.user and password else None


def make_path(parent: str, child: str) -> str:
    """``/parent/child``, whatever slashes the parts begin or end with."""
    return "/" + "/".join(part for part in f"{parent}/{child}".split("/") if part)


def _normal(path: str) -> str:
    return make_path(path, "")


def _below_base(name: str) -> str:
    """A path that is ``<base>/<name>`` unless it is given."""
    return field(
        default=Factory(lambda config: make_path(config.base, name), takes_self=True),
        converter=_normal,
        metadata={SHOWN_DEFAULT: f"base + `/{name}`"},
    )


@frozen(kw_only=True)
class ZkPathsConfig:
    """``druid.zk.paths.*``: where things lie in ZooKeeper; what is not given lies below ``base``."""

    base: str = field(default="/druid", converter=_normal)
    announcements_path: str = _below_base("announcements")
    live_segments_path: str = _below_base("segments")
    coordinator_path: str = _below_base("coordinator")

    @property
    def overlord_path(self) -> str:
        """Parent of the Overlords' latch."""
        return make_path(self.base, "overlord")

    @property
    def internal_discovery_path(self) -> str:
        """Parent of the roles, which are parents of nodes."""
        return make_path(self.base, "internal-discovery")


def _optional_normal(path: str | None) -> str | None:
    return None if path is None else _normal(path)


def _indexer_path(shown: str) -> str:
    """A path that `IndexerZkConfig.below` fills in where it is not given."""
    return field(default=None, converter=_optional_normal, metadata={SHOWN_DEFAULT: shown})


@frozen(kw_only=True)
class IndexerZkConfig:
    """``druid.zk.paths.indexer.*``: where Overlord and workers meet; ``base`` lies below ``druid.zk.paths.base``."""

    base: str = _indexer_path("`druid.zk.paths.base` + `/indexer`")
    announcements_path: str = _indexer_path("base + `/announcements`")
    tasks_path: str = _indexer_path("base + `/tasks`")
    status_path: str = _indexer_path("base + `/status`")

    def below(self, paths: ZkPathsConfig) -> IndexerZkConfig:
        """The same with all paths filled in."""
        base = self.base or make_path(paths.base, "indexer")
        return evolve(
            self,
            base=base,
            announcements_path=self.announcements_path or make_path(base, "announcements"),
            tasks_path=self.tasks_path or make_path(base, "tasks"),
            status_path=self.status_path or make_path(base, "status"),
        )


def _bytes_in_range(_config: object, _attribute: Attribute[int], value: int) -> None:
    if not 1024 <= value <= 1024 * 1024:
        raise ValueError(f"maxBytesPerNode [{value}] must be between 1024 and 1048576")


@frozen(kw_only=True)
class BatchDataSegmentAnnouncerConfig:
    """``druid.announcer.*``: how data servers tell ZooKeeper of their segments."""

    segments_per_node: int = field(default=50, validator=validators.ge(1))
    max_bytes_per_node: int = field(default=512 * 1024, validator=_bytes_in_range)
    skip_load_spec: bool = False
    skip_dimensions_and_metrics: bool = False
    skip_segment_announcement_on_zk: bool = False


@frozen(kw_only=True)
class CuratorDiscoveryConfig:
    """``druid.discovery.curator.*``: where Curator's service discovery lies; not below ``druid.zk.paths.base``.

    ``fence_writes``: leaders note their terms in the metadata store, so that late writes of earlier ones are refused.
    """

    path: str | None = field(default="/druid/discovery", converter=_optional_normal)
    fence_writes: bool = True
