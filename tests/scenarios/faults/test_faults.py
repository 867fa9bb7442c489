"""One run of each kind of fault; ``run.py`` does many (docs/operating/faults.md)."""

import os
import time

import pytest
from tests.scenarios.faults.kinds import KINDS
from tests.scenarios.faults.world import World
from tests.servers.process import ServerMissingError, skip_or_fail

#: Other moments each day, and the same ones when asked for: NEMETON_FAULT_SEED=… pytest …
SEED = int(os.environ.get("NEMETON_FAULT_SEED") or time.time() // 86_400)
NEEDS = sorted({kind.needs for kind in KINDS.values()})

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def world(request, tmp_path_factory):
    needs, runner, discovery = request.param
    if needs == "small-disk" and os.geteuid() != 0:
        pytest.skip("a disk of its own can only be made by root")
    try:
        with World(tmp_path_factory.mktemp(needs), runner=runner, discovery=discovery, needs=needs) as made:
            yield made
    except ServerMissingError as missing:
        skip_or_fail(missing)


def params(runner, discovery, *marks):
    return [
        pytest.param(
            (kind.needs, runner, discovery),
            kind,
            id=f"{kind.name}-{runner}-{discovery}",
            marks=[
                *marks,
                *([pytest.mark.slow] if kind.slow else ()),
                pytest.mark.xdist_group(f"faults-{kind.needs}-{runner}-{discovery}"),
            ],
        )
        for kind in sorted(KINDS.values(), key=lambda kind: kind.needs)
        if discovery == "curator" or kind.name != "zookeeper"
    ]


@pytest.mark.parametrize(
    ("world", "kind"),
    [
        *params("httpRemote", "curator"),
        *params("remote", "curator", pytest.mark.slow),
        *params("httpRemote", "metadata", pytest.mark.slow),
    ],
    indirect=["world"],
)
def test_no_row_is_lost_or_doubled_and_nothing_is_left_over(world, kind):
    if kind.name == "partition" and os.geteuid() != 0:
        pytest.skip("packets can only be dropped by root")
    print(f"seed {SEED}")
    print(world.run(kind, SEED))
