"""``envConfig`` of the autoscaler ``local``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import Attribute, field, frozen, validators

from nemeton.common.errors import invalid_input


def _holds_a_worker(config: LocalEnvConfig, _: Attribute[Any], value: int) -> None:
    if config.start_port + config.ports_per_worker - 1 > value:
        raise invalid_input(
            f"endPort: ports [{config.start_port}] to [{value}] do not hold one worker of [{config.ports_per_worker}]"
        )


@frozen(kw_only=True)
class LocalEnvConfig:
    """Where the workers are and what they are told.

    Each worker gets ``ports_per_worker`` ports from the range: the first is its own, the others are its tasks'. Its
    data is in ``<baseDir>/<the Overlord's host_port>/<port>``, and stays there for the next worker on this port.
    ``properties`` are those of the Overlord, changed by these.
    """

    base_dir: str = "var/druid/local-workers"
    start_port: int = field(default=8200, validator=[validators.ge(1), validators.le(65535)])
    ports_per_worker: int = field(default=50, validator=validators.ge(2))
    end_port: int = field(default=8999, validator=[validators.le(65535), _holds_a_worker])
    properties: dict[str, str] = field(factory=dict)

    def port_ranges(self) -> Iterator[range]:
        """The ports of each worker that the range has room for."""
        for first in range(self.start_port, self.end_port + 2 - self.ports_per_worker, self.ports_per_worker):
            yield range(first, first + self.ports_per_worker)
