"""``{"type": "local", …}`` in the worker configuration."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from attrs import field, frozen, validators

from nemeton.indexing.overlord.provisioning.local.config import LocalEnvConfig
from nemeton.indexing.overlord.provisioning.local.nodes import LocalNodes
from nemeton.json import wire
from nemeton.model import Worker
from nemeton.plugins import json_type
from nemeton.spi.provisioning import AutoScaler, AutoScalingData

log = logging.getLogger(__name__)


@json_type("local")
@frozen(kw_only=True)
class LocalAutoScaler(AutoScaler):
    """Starts and stops MiddleManagers on this machine. A node's id is its worker's ``host:port``.

    For one machine with many cores, and as the example of an autoscaler: what runs is not in this object, which is made
    anew with each change of the configuration, but in `LocalNodes`, which is injected.
    """

    nodes: LocalNodes = field(eq=False, repr=False, metadata=wire(injected=True))
    min_num_workers: int = field(default=0, validator=validators.ge(0))
    max_num_workers: int = field(default=1, validator=validators.ge(0))
    env_config: LocalEnvConfig = field(factory=LocalEnvConfig)

    def provision(self) -> AutoScalingData | None:
        """Start one MiddleManager, on the first free ports of the range."""
        node_id = self.nodes.provision(self.env_config)
        return None if node_id is None else AutoScalingData([node_id])

    def terminate(self, addresses: Sequence[str]) -> AutoScalingData | None:
        """Ask the MiddleManagers to stop; they are killed if they take long."""
        ended = self.nodes.terminate(addresses)
        return AutoScalingData(ended) if ended else None

    def terminate_with_ids(self, ids: Sequence[str]) -> AutoScalingData | None:
        """See `AutoScaler`."""
        return self.terminate(ids)

    def ip_to_id_lookup(self, addresses: Sequence[str]) -> list[str]:
        """The addresses that are of MiddleManagers started here."""
        return self.nodes.own(addresses)

    def id_to_ip_lookup(self, ids: Sequence[str]) -> list[str]:
        """The same: ids are addresses."""
        return self.nodes.own(ids)

    def address_of(self, worker: Worker) -> str:
        """``host:port``, since all workers of a machine share its IP address."""
        return worker.host
