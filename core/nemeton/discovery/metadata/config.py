"""``druid.discovery.metadata.*``."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from nemeton.time import Period


def _positive(_config: Any, attribute: Any, value: Period) -> None:
    if value.to_seconds() <= 0:
        raise ValueError(f"{attribute.name} must be longer than nothing")


@frozen(kw_only=True)
class MetadataDiscoveryConfig:
    """``druid.discovery.metadata.*``: how soon the kind ``metadata`` notices what; the same in the whole cluster.

    A leader holds its lease for ``lease_duration`` and renews it five times within that; so do nodes with their
    announcements and ``node_timeout``. Everybody looks at the store every ``poll_period``.
    """

    lease_duration: Period = field(default=Period(seconds=15), validator=_positive)
    node_timeout: Period = field(default=Period(seconds=30), validator=_positive)
    poll_period: Period = field(default=Period(seconds=1), validator=_positive)

    def __attrs_post_init__(self) -> None:
        shortest = min(self.lease_duration.to_seconds(), self.node_timeout.to_seconds())
        if self.poll_period.to_seconds() > shortest / 2:
            raise ValueError("pollPeriod must be at most half of leaseDuration and of nodeTimeout")

    @property
    def lease_s(self) -> float:
        """How long a lease holds."""
        return self.lease_duration.to_seconds()

    @property
    def node_s(self) -> float:
        """How long an announcement holds."""
        return self.node_timeout.to_seconds()

    @property
    def poll_s(self) -> float:
        """The time between two looks at the store."""
        return self.poll_period.to_seconds()


RENEWALS = 5
"""How often a lease or an announcement is renewed within its time."""
