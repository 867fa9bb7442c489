"""Which roles can offer which service (behaviour 8.2)."""

from nemeton.discovery.services import SERVICE_TO_ROLES
from nemeton.model import NodeRole


def test_services_and_their_roles_are_druids():
    serving = {NodeRole.BROKER, NodeRole.HISTORICAL, NodeRole.PEON, NodeRole.INDEXER}
    assert {
        "lookupNodeService": serving,
        "dataNodeService": serving,
        "workerNodeService": {NodeRole.MIDDLE_MANAGER, NodeRole.INDEXER},
    } == SERVICE_TO_ROLES
