"""Ids of appended segments: which version, which number, which shard spec."""

import pytest
from sqlalchemy import event

from nemeton.model import (
    DataSegment,
    HashBasedNumberedPartialShardSpec,
    HashBasedNumberedShardSpec,
    NumberedOverwritePartialShardSpec,
    NumberedOverwriteShardSpec,
    NumberedPartialShardSpec,
    NumberedShardSpec,
    PartialShardSpec,
    SingleDimensionPartialShardSpec,
    SingleDimensionShardSpec,
)
from nemeton.spi.metadata import SegmentCreateRequest
from nemeton.time import Interval

DAY = Interval.parse("2030-01-01/2030-01-02")
MONTH = Interval.parse("2030-01-01/2030-02-01")
EPOCH, V1, V2 = "1970-01-01T00:00:00.000Z", "2030-06-01T00:00:00.000Z", "2030-06-02T00:00:00.000Z"


def segment(num=0, core=1, version=V1, interval=DAY, spec=None):
    return DataSegment("ds", interval, version, {"type": "local"}, shard_spec=spec or NumberedShardSpec(num, core))


def request(sequence="s", previous=None, version=V1, partial=None, group="g"):
    return SegmentCreateRequest(
        sequence_name=sequence,
        previous_segment_id=previous,
        version=version,
        partial_shard_spec=partial or NumberedPartialShardSpec(),
        task_allocator_id=group,
    )


@pytest.fixture(params=[False, True], ids=["whole", "reduced"])
def allocate(coordinator, request):
    def ask(*requests, interval=DAY, skip=True):
        found = coordinator.allocate_pending_segments(
            "ds", interval, requests, skip_segment_lineage_check=skip, reduce_metadata_io=request.param
        )
        return [None if each is None else (each.version, each.shard_spec) for each in found]

    return ask


def test_a_batch_is_numbered_through_and_gives_one_id_per_sequence(allocate, coordinator):
    got = allocate(request("a"), request("b"), request("a"), request("c"))
    assert got == [(V1, NumberedShardSpec(n, 0)) for n in (0, 1, 0, 2)]
    assert allocate(request("d"), request("b")) == [(V1, NumberedShardSpec(n, 0)) for n in (3, 1)]
    assert len(coordinator.retrieve_pending_segments("ds")) == 4


def test_with_lineage_the_previous_id_counts_and_the_interval_must_be_the_same(allocate):
    assert allocate(request("a"), request("a", "x"), request("a"), skip=False) == [
        (V1, NumberedShardSpec(n, 0)) for n in (0, 1, 0)
    ]
    other = Interval.parse("2030-03-01/2030-03-02")
    assert allocate(request("a"), interval=other, skip=False) == [None]
    assert allocate(request("a", "y"), interval=other, skip=False) == [(V1, NumberedShardSpec(0, 0))]


def test_an_incomplete_set_of_core_partitions_is_nothing_to_join(allocate, coordinator):
    coordinator.commit_segments([segment(0, 3), segment(1, 3)])
    assert allocate(request(version=V2)) == [(V2, NumberedShardSpec(0, 0))]


def test_after_a_replacement_a_sequence_gets_an_id_in_the_new_version(allocate, coordinator):
    assert allocate(request(version=EPOCH)) == [(EPOCH, NumberedShardSpec(0, 0))]
    coordinator.commit_segments([segment(0, 2), segment(1, 2)])
    assert allocate(request(version=EPOCH)) == [(V1, NumberedShardSpec(2, 2))]
    assert allocate(request(version=EPOCH)) == [(V1, NumberedShardSpec(2, 2))]


def test_core_partitions_that_were_dropped_do_not_count(allocate, coordinator):
    coordinator.commit_segments([segment(0, 2), segment(1, 2)])
    assert allocate(request("a")) == [(V1, NumberedShardSpec(2, 2))]
    coordinator.mark_segments_as_unused("ds", None)
    assert allocate(request("b")) == [(V1, NumberedShardSpec(3, 0))]


def test_a_number_that_an_unused_segment_has_is_not_given_again(allocate, coordinator):
    coordinator.commit_segments([segment(n, 0, EPOCH) for n in (0, 1)])
    coordinator.mark_segments_as_unused("ds", None)
    assert allocate(request(version=EPOCH)) == [(EPOCH, NumberedShardSpec(2, 0))]


def test_unknown_core_partitions_cannot_be_joined(allocate, coordinator):
    coordinator.commit_segments([segment(spec=SingleDimensionShardSpec("d", None, None, 0, -1))])
    assert allocate(request()) == [None]


@pytest.mark.parametrize(
    ("factory", "spec"),
    [
        (
            {
                "type": "hashed", "partitionDimensions": ["x"], "bucketId": 1, "numPartitions": 3,
                "partitionFunction": None,
            },
            HashBasedNumberedShardSpec(0, 0, 1, 3, ["x"], None),
        ),
        (
            {"type": "single_dim", "partitionDimension": "x", "bucketId": 1, "start": "a", "end": "b", "numBuckets": 3},
            SingleDimensionShardSpec("x", "a", "b", 0, 0),
        ),
        (
            {"type": "numbered_overwrite", "startRootPartitionId": 0, "endRootPartitionId": 2, "minorVersion": 1},
            NumberedOverwriteShardSpec(32768, 0, 2, 1, -1),
        ),
        ({"type": "numbered"}, NumberedShardSpec(0, 0)),
    ],
    ids=lambda value: value.get("type") if isinstance(value, dict) else "",
)  # fmt: skip
def test_kinds_of_shard_specs(allocate, json, factory, spec):
    """As the real Druid 33 completes each."""
    partial = json.structure(factory, PartialShardSpec)
    assert json.loads(json.dumps(partial)) == factory
    assert allocate(request(partial=partial)) == [(V1, spec)]


def test_partitions_that_overwrite_are_numbered_apart(allocate, coordinator):
    overwrite = NumberedOverwritePartialShardSpec(0, 2, 1)
    coordinator.commit_segments([segment(n, 2) for n in range(2)])
    assert allocate(request("a", partial=overwrite)) == [(V1, NumberedOverwriteShardSpec(32768, 0, 2, 1, -1))]
    assert allocate(request("b", partial=overwrite)) == [(V1, NumberedOverwriteShardSpec(32769, 0, 2, 1, -1))]
    assert allocate(request("c")) == [(V1, NumberedShardSpec(2, 2))]
    coordinator.commit_segments([segment(spec=NumberedOverwriteShardSpec(32768, 0, 2, 1, 1))])
    coordinator.mark_segment_ids_as_unused("ds", [str(segment(n, 2).id) for n in range(2)])
    assert allocate(request("d")) == [(V1, NumberedShardSpec(3, 0))]  # joins the version, though its core is gone
    assert allocate(request("e", partial=overwrite)) == [(V1, NumberedOverwriteShardSpec(32770, 0, 2, 1, -1))]


def test_shard_specs_of_other_kinds_are_numbered_together(allocate, coordinator):
    coordinator.commit_segments([segment(spec=HashBasedNumberedShardSpec(0, 1, 0, 1, [], None))])
    assert allocate(request("a"), request("b", partial=SingleDimensionPartialShardSpec("x"))) == [
        (V1, NumberedShardSpec(1, 1)),
        (V1, SingleDimensionShardSpec("x", None, None, 2, 1)),
    ]
    assert HashBasedNumberedPartialShardSpec().shares_partition_space(NumberedShardSpec(0))


def test_few_payloads_are_read_with_reduced_io(coordinator, connector):
    coordinator.commit_segments([segment(n, 50) for n in range(50)])
    read = []

    def note(connection, cursor, statement, parameters, context, executemany):
        if "payload" in statement and statement.startswith("SELECT") and "segments" in statement.lower():
            read.append(parameters)

    event.listen(connector.engine, "before_cursor_execute", note)
    seen = coordinator.retrieve_used_segments_for_allocation("ds", DAY, reduce_metadata_io=True)
    event.remove(connector.engine, "before_cursor_execute", note)
    assert seen == coordinator.retrieve_used_segments_for_allocation("ds", MONTH)
    assert len(seen) == 50
    assert len(read) == 1  # the one that says how many core partitions there are
