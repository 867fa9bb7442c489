"""Our Smile against Jackson's own, in both directions: the jars of the real Druid judge."""

from __future__ import annotations

import base64
import json
import struct
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.json.smile_values import VALUES, comparable
from tests.unit.json.test_smile import bodies

from nemeton.json import smile

SOURCE = Path(__file__).parent / "jackson" / "SmileJudge.java"
pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("java")]

MANY = settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
FEATURES = st.sets(st.sampled_from("hnv7e")).map(lambda letters: "".join(sorted(letters)) or "-")
"""Jackson's: header, shared names, shared values, binary with 7 bits, end marker. Druid's are header and names."""


class Jackson:
    """The judge's process, asked line by line."""

    def __init__(self, command):
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _ask(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().rstrip("\n")
        assert answer, "the judge has ended"
        assert not answer.startswith("! "), answer
        return answer

    def write(self, value, features="hn"):
        return base64.b64decode(self._ask(f"W {features} {json.dumps(tagged(value))}"))

    def read(self, document):
        return untagged(json.loads(self._ask(f"R {base64.b64encode(document).decode()}")))

    def close(self):
        self._process.stdin.close()
        self._process.wait(10)


@pytest.fixture(scope="module")
def jackson(real_druid, tmp_path_factory):
    classes = tmp_path_factory.mktemp("judge")
    jars = f"{real_druid.home / 'druid' / 'lib'}/*"
    subprocess.run(["javac", "-nowarn", "-d", classes, "-cp", jars, SOURCE], check=True, timeout=120)
    judge = Jackson(["java", "-Xmx128m", "-cp", f"{classes}:{jars}", "SmileJudge"])
    yield judge
    judge.close()


def tagged(value):
    """Kind and text, as the judge wants them."""
    match value:
        case None:
            return ["null", ""]
        case bool():
            return ["boolean", str(value).lower()]
        case int():
            bits = value.bit_length() if value >= 0 else (~value).bit_length()
            return ["int" if bits < 32 else "long" if bits < 64 else "big", str(value)]
        case float():
            return ["double", str(struct.unpack(">Q", struct.pack(">d", value))[0])]
        case Decimal():
            return ["decimal", str(value)]
        case str():
            return ["string", value]
        case bytes():
            return ["binary", base64.b64encode(value).decode()]
        case list():
            return ["array", [tagged(member) for member in value]]
        case dict():
            return ["object", {name: tagged(member) for name, member in value.items()}]
    raise TypeError(type(value))


def untagged(node):
    kind, text = node
    read = {
        "null": lambda: None,
        "boolean": lambda: text == "true",
        "int": lambda: int(text),
        "long": lambda: int(text),
        "big": lambda: int(text),
        "float": lambda: struct.unpack(">f", int(text).to_bytes(4, "big"))[0],
        "double": lambda: struct.unpack(">d", int(text).to_bytes(8, "big"))[0],
        "decimal": lambda: Decimal(text),
        "string": lambda: text,
        "binary": lambda: base64.b64decode(text),
        "array": lambda: [untagged(member) for member in text],
        "object": lambda: {name: untagged(member) for name, member in text.items()},
    }
    return read[kind]()


@MANY
@given(value=VALUES, features=FEATURES)
def test_what_jackson_writes_is_read(jackson, value, features):
    if "h" not in features:  # nobody could know of shared values or raw bytes, and names are taken for shared
        features = "7ne" if "e" in features else "7n"
    document = jackson.write(value, features)
    assert comparable(smile.loads(document)) == comparable(value)


@MANY
@given(value=VALUES, share_values=st.booleans())
def test_jackson_reads_what_is_written(jackson, value, share_values):
    document = smile.dumps(value, share_values=share_values)
    assert comparable(jackson.read(document)) == comparable(value)


@MANY
@given(value=VALUES)
def test_the_bytes_are_those_that_druids_jackson_writes(jackson, value):
    assert smile.dumps(value) == jackson.write(value, "hn")


def test_floats_keep_their_32_bits(jackson):
    document = base64.b64decode(jackson._ask('W hn ["array", [["float", "1036831949"], ["float", "2143289344"]]]'))
    tenth, nan = smile.loads(document)
    assert struct.pack(">f", tenth) == struct.pack(">f", 0.1)
    assert nan != nan


@pytest.mark.parametrize("share", [False, True])
def test_tables_start_over_in_the_same_place(jackson, share):
    texts = [f"text{i}" for i in range(2500)]
    value = [{text: texts[i // 2], f"{text}-": text} for i, text in enumerate(texts)]
    features = "hnv" if share else "hn"
    assert smile.dumps(value, share_values=share) == jackson.write(value, features)
    assert smile.loads(jackson.write(value, features)) == value


def test_recorded_bodies_go_both_ways(jackson):
    for body in (each.values[0] for each in bodies()):
        assert jackson.read(smile.dumps(body)) == smile.loads(jackson.write(body)) == body
        assert smile.loads(jackson.write(body, "hnv")) == jackson.read(smile.dumps(body, share_values=True)) == body
