"""Smile: round trips, what the recordings hold, and what is no Smile."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
import tracemalloc
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

import pytest
from attrs import frozen
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.json.smile_values import VALUES, comparable

from nemeton.json import Json, JsonError, smile
from nemeton.json.smile import SmileError, packing

REFERENCE = Path(__file__).resolve().parents[2] / "data" / "reference"
NO_HEADER, PLAIN, DRUIDS = b"", b":)\n\x00", b":)\n\x05"


@given(VALUES, st.booleans())
def test_what_is_written_is_read_again(value, share_values):
    assert comparable(smile.loads(smile.dumps(value, share_values=share_values))) == comparable(value)


@settings(max_examples=20)
@given(st.lists(st.text(max_size=3), min_size=1000, max_size=2500), st.booleans())
@example([f"{i}" for i in range(2200)] * 2, True)
@example([f"é{i}" for i in range(2200)] * 2, False)
def test_tables_of_names_and_values_start_over_when_they_are_full(texts, share_values):
    value = [{text: texts[-i]} for i, text in enumerate(texts)]
    written = smile.dumps(value, share_values=share_values)
    assert smile.loads(written) == value


def test_no_reference_has_a_byte_that_frames_content():
    texts = [f"{i:04}" for i in range(1024)] * 2
    for value in (texts, [{text: None} for text in texts]):
        written = smile.dumps(value, share_values=True)
        assert b"\xff" not in written
        assert b"\xfe" not in written
        assert smile.loads(written) == value


@given(VALUES)
def test_a_mutilated_document_is_refused_with_a_reason(value):
    written = smile.dumps(value, share_values=True)
    for end in range(0, len(written), max(1, len(written) // 50)):
        with pytest.raises(SmileError, match=r"\w+"):
            smile.loads(written[:end])


@given(st.binary(max_size=200), st.sampled_from([NO_HEADER, PLAIN, DRUIDS, b":)\n\x07"]))
def test_any_bytes_are_read_or_refused(noise, header):
    try:
        value = smile.loads(header + noise)
    except SmileError:
        return
    again = smile.dumps(value)
    assert comparable(smile.loads(again)) == comparable(value)


@given(VALUES, st.data())
def test_a_flipped_byte_is_read_or_refused(value, data):
    written = bytearray(smile.dumps(value, share_values=data.draw(st.booleans())))
    for _ in range(3):
        written[data.draw(st.integers(0, len(written) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(SmileError):
        smile.loads(bytes(written))


@pytest.mark.parametrize("size", [*range(30), 1000, 1001, 1006])
def test_bytes_of_seven_bits_round_trip(size):
    raw = os.urandom(size)
    for content in (raw, b"\xff" * size, b"\0" * size):
        packed = bytearray()
        packing.write_packed(packed, content)
        assert max(packed[2:], default=0) < 0x80
        assert packing.read_packed(bytes(packed), 0) == (content, len(packed))


# ---- the format, byte for byte: what the specification says


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"\x20", ""),
        (b"\x21", None),
        (b"\x22", False),
        (b"\x23", True),
        (b"\xc0", 0),
        (b"\xc1", -1),
        (b"\xde", 15),
        (b"\xdf", -16),
        (b"\x24\xa0", 16),
        (b"\x24\x01\x80", 32),
        (b"\x25\x03\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\xbf", -(2**63)),
        (b"\x26\x89\x00\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00", 2**64),
        (b"\x26\x89\x7f\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00", -(2**64)),
        (b"\x2a\x86\x82\x18\x0e\x01", Decimal("12.345")),
        (b"\x40a", "a"),
        (b"\x60" + b"b" * 33, "b" * 33),
        (b"\x80\xc3\xa9", "é"),
        (b"\xa0" + "é".encode() * 17, "é" * 17),
        (b"\xbf" + b"a" + "é".encode() * 32, "a" + "é" * 32),
        (b"\xe0long\xfc", "long"),
        (b"\xe4l\xc3\xb6ng\xfc", "löng"),
        (b"\x28\x03\x7c\x00\x00\x00", 1.0),
        (b"\x29\x00\x3f\x78\x00\x00\x00\x00\x00\x00\x00", 1.0),
        (b"\xe8\x82\x00\x30\x02", b"\x00\xc2"),
        (b"\xfd\x83abc", b"abc"),
        (b"\xf8\xf9", []),
        (b"\xfa\xfb", {}),
        (b"\xfa\x20\xc2\xfb", {"": 1}),
        (b"\xfa\x80a\xf8\xc2\xc4\xf9\xc0\xc3\xa9\xfa\x40\x21\xfb\xfb", {"a": [1, 2], "é": {"a": None}}),
        (b"\xfa\x34" + b"n" * 70 + b"\xfc\xfa\x40\xc0\xfb\xfb", {"n" * 70: {"n" * 70: 0}}),
    ],
)
def test_each_kind_of_token(content, value):
    for header in (NO_HEADER, PLAIN.replace(b"\0", b"\x01"), DRUIDS):
        assert comparable(smile.loads(header + content)) == comparable(value)
        assert comparable(smile.loads(header + content + b"\xff")) == comparable(value)


def test_shared_values_are_kept_only_if_the_header_says_so():
    content = b"\xf8\x40a\x41ab\x01\x02\xec\x00\xf9"
    assert smile.loads(b":)\n\x02" + content) == ["a", "ab", "a", "ab", "a"]
    for header in (NO_HEADER, PLAIN, DRUIDS):
        with pytest.raises(SmileError, match="refers to shared string 0 of 0"):
            smile.loads(header + content)


def test_shared_names_are_kept_unless_the_header_says_no():
    content = b"\xf8\xfa\x80a\x21\xfb\xfa\x40\x21\xfb\xf9"
    assert smile.loads(content) == smile.loads(b":)\n\x01" + content) == [{"a": None}, {"a": None}]
    with pytest.raises(SmileError, match="refers to shared string"):
        smile.loads(PLAIN + content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "too soon"),
        (b":)\n", "too soon"),
        (DRUIDS, "too soon"),
        (b":)\n\x15\xc0", "version"),
        (b"\xc0\xc0", "follow"),
        (b"\xc0\xff\xff", "follow"),
        (b"\x00", "begins no value"),
        (b"\x27", "begins no value"),
        (b"\xf0", "begins no value"),
        (b"\xfb", "begins no value"),
        (b"\xfa\xf9", "begins no property name"),
        (b"\xfa\x21", "begins no property name"),
        (b"\xf8\xfb", "begins no value"),
        (b"\x42ab", "within a string"),
        (b"\xe0ab", "within a string"),
        (b"\xfa\x83ab", "within a property name"),
        (b"\x40\xe9", "not valid text"),
        (b"\x80\xe9\xe9", "not valid text"),
        (b"\x24\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01", "64 bits"),
        (b"\x24\x7f\x7f\x7f\x7f\xbf", "32 bits"),
        (b"\x29\x00\x00", "within a number"),
        (b"\xfd\x0f\x7f\x7f\x7f\x7f\xbfabc", "binary data"),
        (b"\xe8\x0f\x7f\x7f\x7f\x7f\xbfabc", "binary data"),
        (b"\x26\x0f\x7f\x7f\x7f\x7f\xbfabc", "more than 1024"),
        (b'{"a":1}' + b" " * 60, "follow"),
    ],
)
def test_what_is_no_smile_is_refused_with_the_reason(content, reason):
    with pytest.raises(SmileError, match=reason):
        smile.loads(content)


def test_lengths_that_lie_cost_no_memory():
    tracemalloc.start()
    try:
        for token in (b"\xfd", b"\xe8", b"\x26", b"\x2a\x80"):
            with pytest.raises(SmileError):
                smile.loads(token + b"\x01" + b"\x7f" * 7 + b"\xbf" + b"abc")
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def nested(depth, closed=True):
    return b"\xf8" * depth + (b"\xf9" * depth if closed else b"")


def test_nesting_is_bounded_both_ways():
    value = smile.loads(nested(smile.MAX_DEPTH))
    assert smile.dumps(value)[4:] == nested(smile.MAX_DEPTH)
    with pytest.raises(SmileError, match="nested more than 1000"):
        smile.dumps([value])
    for closed in (True, False):
        with pytest.raises(SmileError, match="nested more than 1000"):
            smile.loads(nested(100_000, closed))
    loop = []
    loop.append({"again": loop})
    with pytest.raises(SmileError, match="nested more than"):
        smile.dumps(loop)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (object(), "object has no form"),
        ({1: 2}, "must be a string, not a int"),
        ("\ud800", "surrogate"),
        (1 << 9000, "beyond the bound"),
        (Decimal("1E+3000000000"), "beyond"),
    ],
)
def test_what_has_no_form_in_smile_is_refused(value, reason):
    with pytest.raises(SmileError, match=reason):
        smile.dumps([value])


def test_subclasses_are_written_as_what_they_are():
    class Colour(StrEnum):
        RED = "red"

    class Text(str):
        __slots__ = ()

    value = [Colour.RED, Text("x"), True, (1, 2), bytearray(b"b"), Decimal("NaN")]
    read = smile.loads(smile.dumps(value, share_values=True))
    assert read[:5] == ["red", "x", True, [1, 2], b"b"]
    assert math.isnan(read[5])


# ---- bodies as they travel


def bodies():
    for path in sorted((REFERENCE / "http").glob("*.json")):
        for number, exchange in enumerate(json.loads(path.read_text())):
            for side in ("request", "response"):
                body = (exchange.get(side) or {}).get("body")
                if body is not None:
                    yield pytest.param(body, id=f"{path.stem}-{number}-{side}")


@pytest.mark.parametrize("body", list(bodies()))
def test_recorded_bodies_round_trip_and_get_smaller(body):
    plain = smile.dumps(body)
    shared = smile.dumps(body, share_values=True)
    assert smile.loads(plain) == smile.loads(shared) == body
    if isinstance(body, dict):
        assert len(shared) <= len(plain) <= len(DRUIDS) + len(json.dumps(body))


def snapshot(count):
    def item(i):
        task_id = f"index_parallel_events_{i:08}_2026-11-20T10:00:20.044Z"
        location = {"host": "localhost", "port": 8100 + i, "tlsPort": -1}
        status = {"id": task_id, "status": "RUNNING", "duration": -1, "errorMsg": None, "location": location}
        resource = {"availabilityGroup": task_id, "requiredCapacity": 1}
        announcement = {"id": task_id, "type": "index_parallel", "taskStatus": status, "taskResource": resource}
        return {"type": "taskUpdate", "taskAnnouncement": announcement}

    return {"counter": {"counter": count, "hash": 1795167738765}, "requests": [item(i) for i in range(count)]}


def test_a_snapshot_of_a_thousand_tasks_takes_milliseconds():
    """Measured: about 10 ms each way; the bound leaves room for a busy machine."""
    value = snapshot(1000)
    best = math.inf
    for _ in range(5):
        started = time.perf_counter()
        assert smile.loads(smile.dumps(value)) == value
        best = min(best, time.perf_counter() - started)
    assert best < 0.25


# ---- through the converter


@frozen
class Measured:
    name: str
    value: float
    sketch: bytes = b""
    limits: list[float] | None = None


def test_the_converter_writes_floats_and_bytes_as_they_are():
    converter = Json()
    measured = Measured("x", math.nan, b"\x00\xff", [math.inf, 1.0])
    assert smile.loads(converter.dumps_smile(measured)) == {
        "name": "x",
        "value": pytest.approx(math.nan, nan_ok=True),
        "sketch": b"\x00\xff",
        "limits": [math.inf, 1.0],
    }
    again = converter.loads_smile(converter.dumps_smile(measured, share_values=True), Measured)
    assert (again.sketch, again.limits) == (measured.sketch, measured.limits)
    assert math.isnan(again.value)
    assert converter.loads(converter.dumps(measured), Measured).sketch == measured.sketch


def test_decimals_are_read_as_numbers():
    converter = Json()
    content = smile.dumps({"name": Decimal("1.50"), "value": Decimal("2.25")})
    assert converter.loads_smile(content, Measured) == Measured("1.50", 2.25)
    assert converter.structure(Decimal("7.9"), int) == 7
    with pytest.raises(JsonError, match="expected an integer"):
        converter.structure(Decimal("1E+999999999"), int)


def test_the_converter_says_what_is_wrong():
    with pytest.raises(JsonError, match="malformed Smile: it ends too soon"):
        Json().loads_smile(DRUIDS)
    with pytest.raises(JsonError, match=r"\[\$\.value\]: expected a number"):
        Json().loads_smile(smile.dumps({"name": "x", "value": "much"}), Measured)
