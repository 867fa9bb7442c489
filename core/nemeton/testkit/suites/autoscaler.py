"""What every autoscaler owes the provisioning strategies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from nemeton.json import Json
from nemeton.json.wire import wire_of
from nemeton.model import Worker
from nemeton.plugins import TypeRegistry
from nemeton.spi.provisioning import AutoScaler

_UNKNOWN = "203.0.113.1"


def made(autoscaler: AutoScaler) -> list[str]:
    """The ids of the nodes that one request makes; fails when it makes none."""
    data = autoscaler.provision()
    assert data is not None, "provision() made nothing"
    assert data.node_ids, "provision() gave no ids"
    return data.node_ids


class AutoScalerSuite:
    """Subclass it, and override the fixtures. The autoscaler should have room for two nodes, and none to begin with.

    What the tests start, the fixture `autoscaler` has to end.
    """

    @pytest.fixture
    def autoscaler(self) -> AutoScaler:
        """The autoscaler that is tested."""
        raise NotImplementedError("override the fixture `autoscaler`")

    @pytest.fixture
    def worker_of(self) -> Callable[[str], Worker]:
        """A function that waits for the worker of a node, given by its id, and returns what the worker announces."""
        raise NotImplementedError("override the fixture `worker_of`")

    def test_its_bounds_make_sense(self, autoscaler: AutoScaler) -> None:
        """Room for the nodes that the tests make."""
        assert 0 <= autoscaler.min_num_workers <= autoscaler.max_num_workers
        assert autoscaler.max_num_workers >= 2

    def test_each_node_has_an_id_of_its_own(self, autoscaler: AutoScaler) -> None:
        """Nodes of two requests are told apart."""
        ids = [*made(autoscaler), *made(autoscaler)]
        assert len(set(ids)) == len(ids)

    def test_a_worker_leads_back_to_its_node(self, autoscaler: AutoScaler, worker_of: Callable[[str], Worker]) -> None:
        """By what strategies look it up with."""
        (node_id, *_) = made(autoscaler)
        address = autoscaler.address_of(worker_of(node_id))
        assert autoscaler.ip_to_id_lookup([address]) == [node_id]
        assert autoscaler.ip_to_id_lookup([_UNKNOWN, address]) == [node_id], "those of others are left out"

    def test_the_node_of_a_worker_can_be_ended(
        self, autoscaler: AutoScaler, worker_of: Callable[[str], Worker]
    ) -> None:
        """By the worker's address; the id comes back as under way."""
        (node_id, *_) = made(autoscaler)
        data = autoscaler.terminate([autoscaler.address_of(worker_of(node_id))])
        assert data is not None
        assert data.node_ids == [node_id]

    def test_a_node_can_be_ended_before_it_is_a_worker(self, autoscaler: AutoScaler) -> None:
        """Strategies give up those that take too long, by id."""
        ids = made(autoscaler)
        autoscaler.terminate_with_ids(ids)

    def test_unknown_nodes_are_no_fault(self, autoscaler: AutoScaler) -> None:
        """They may have gone by themselves."""
        assert autoscaler.ip_to_id_lookup([_UNKNOWN]) == []
        for data in (autoscaler.terminate([_UNKNOWN]), autoscaler.terminate_with_ids(["unknown"])):
            assert data is None or data.node_ids == []

    def test_its_json_survives(self, autoscaler: AutoScaler) -> None:
        """The worker configuration that the metadata store keeps gives the same autoscaler again."""
        registry = TypeRegistry()
        registry.add("autoscalers", type(autoscaler))
        json = Json(registry, _InjectorOf(autoscaler))
        assert json.loads(json.dumps(autoscaler), AutoScaler) == autoscaler


class _InjectorOf:
    """Gives what was injected into an object to the next one, too."""

    def __init__(self, made: AutoScaler) -> None:
        cls: Any = type(made)
        attrs.resolve_types(cls)
        self._by_type = {each.type: getattr(made, each.name) for each in attrs.fields(cls) if wire_of(each).injected}

    def get(self, key: Any) -> Any:
        return self._by_type[key]
