"""What we read is what the real Druid reads; what we write is, to the real Druid, what it wrote itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from nemeton.segment import (
    AutoData,
    ComplexData,
    DecodedColumnCache,
    DocumentData,
    DoubleData,
    FloatData,
    IndexSpec,
    LongData,
    MultiStringData,
    PairData,
    QueryableIndex,
    StringData,
    write_segment,
)
from nemeton.segment.column_data import ColumnData
from nemeton.segment.columns import NumericColumn, StringColumn, UnsupportedColumn
from nemeton.segment.object_columns import ArrayColumn, ComplexColumn, NestedColumn
from nemeton.segment.pairs import PairColumn
from nemeton.segment.rows import json_rows
from nemeton.segment.typed_columns import documents_of, typed_values_of
from nemeton.segment.zipped import unpack_zip
from nemeton.time import Interval

pytestmark = [pytest.mark.interop, pytest.mark.timeout(600)]

GOLDEN = Path(__file__).parents[1] / "golden"
NUMBERS = {"LONG": LongData, "DOUBLE": DoubleData, "FLOAT": FloatData}


@pytest.fixture(scope="module")
def golden(tmp_path_factory) -> dict[str, list[Path]]:
    root = tmp_path_factory.mktemp("golden")
    found: dict[str, list[Path]] = {}
    for packed in sorted((GOLDEN / "segments").glob("*/*/*/index.zip")):
        folder = root / "-".join(packed.parts[-4:-1])
        folder.mkdir()
        unpack_zip(packed, folder)
        found.setdefault(packed.parts[-4], []).append(folder)
    return found


def open_index(folder: Path) -> QueryableIndex:
    return QueryableIndex.open(folder, DecodedColumnCache())


@pytest.mark.parametrize(
    "source", ["flights", "mixed", "mixed_csv", "mixed_tsv", "mixed_concise", "mixed_lzf", "mixed_longauto"]
)
def test_we_read_the_rows_that_druid_reads(source, golden, real_druid):
    folder = golden[source][0]
    index = open_index(folder)
    names = [n for n in index.column_names if not isinstance(index.column(n), UnsupportedColumn)]
    druids = real_druid.dump_segment(folder)
    assert len(druids) == index.num_rows
    for ours, theirs in zip(json_rows(index, names), druids, strict=True):
        assert ours == {n: theirs[n] for n in names}


def readable(index: QueryableIndex) -> Iterator[ColumnData]:
    """All columns, as they are written."""
    rows = index.num_rows
    for name in index.column_names:
        column = index.column(name)
        if isinstance(column, NestedColumn):
            yield DocumentData(name, *documents_of(column))
        elif isinstance(column, ArrayColumn) or getattr(column, "is_auto", False):
            yield AutoData(name, typed_values_of(column))
        elif isinstance(column, PairColumn):
            yield PairData(name, column.type.complex_name, column.objects(0, rows).tolist())
        elif isinstance(column, ComplexColumn):
            blobs = pa.array(column.objects(0, rows).tolist(), pa.large_binary())
            yield ComplexData(name, column.type.complex_name, blobs)
        elif isinstance(column, NumericColumn):
            yield NUMBERS[str(column.type)](name, column.values(0, rows), column.nulls(0, rows))
        elif column.has_multiple_values:
            yield MultiStringData(name, column.dictionary_array(), *column.offsets_codes(0, rows), has_index(column))
        else:
            yield StringData(name, column.dictionary_array(), column.codes(0, rows), has_index(column))


def has_index(column: StringColumn) -> bool:
    return column.has_bitmap_index or column.cardinality == 1


def rewrite(folder: Path, target: Path, spec: IndexSpec) -> list[str]:
    index = open_index(folder)
    columns = list(readable(index))
    names = {c.name for c in columns}
    write_segment(
        target,
        interval=index.interval,
        columns=columns,
        dimensions=[n for n in index.dimensions if n in names],
        metrics=[n for n in index.metrics if n in names],
        metadata=None,
        index_spec=spec,
    )
    return sorted(names)


SPECS = [
    IndexSpec(),
    IndexSpec(
        bitmap={"type": "concise"},
        string_dictionary_encoding={"type": "frontCoded", "bucketSize": 4, "formatVersion": 1},
    ),
    IndexSpec(
        dimension_compression="lzf",
        metric_compression="lzf",
        json_compression="zstd",
        string_dictionary_encoding={"type": "frontCoded", "bucketSize": 16, "formatVersion": 0},
    ),
    IndexSpec(dimension_compression="zstd", metric_compression="zstd", long_encoding="auto"),
    IndexSpec(dimension_compression="uncompressed", metric_compression="none"),
    IndexSpec(metric_compression="uncompressed", long_encoding="auto"),
]


def test_druid_finds_the_same_in_what_we_rewrote(golden, real_druid, judged_sections, tmp_path):
    pairs = []
    for number, folder in enumerate(f for folders in golden.values() for f in folders):
        target = tmp_path / str(number)
        names = rewrite(folder, target, SPECS[number % len(SPECS)])
        pairs.append((folder, target, names))
    verdicts = real_druid.judge(*[f for pair in pairs for f in pair[:2]])
    compared = 0
    for original, rewritten, names in pairs:
        theirs, ours = judged_sections(verdicts[original]), judged_sections(verdicts[rewritten])
        for name in names:
            assert ours[name] == theirs[name], (original.name, name)
            compared += 1
        rows, interval = verdicts[original].split()[1:3]
        assert verdicts[rewritten].split()[1:3] == [rows, interval]
    assert compared > 500


def test_druid_reads_complex_values_that_we_compress(golden, real_druid, tmp_path):
    original = golden["flights_rollup_day"][0]
    rewrite(original, tmp_path / "segment", IndexSpec(complex_metric_compression="zstd"))
    assert real_druid.dump_segment(tmp_path / "segment") == real_druid.dump_segment(original)


def wide_columns(rows: int) -> list[ColumnData]:
    """Columns at the edges of the format: code widths, blocks, Unicode, nulls, rows without values."""
    rng = np.random.default_rng(33)
    columns: list[ColumnData] = [LongData("__time", np.sort(rng.integers(0, 86_400_000, rows)))]
    for cardinality in (1, 255, 256, 65535, 65536):
        dictionary = [f"{i:06d}" for i in range(cardinality)]
        codes = np.concatenate([np.arange(cardinality), rng.integers(0, cardinality, rows - cardinality)])
        columns.append(StringData(f"s{cardinality}", dictionary, codes))
    unicode = [None, "", "a,b", "naïve", "日本語", "\U0001f600", "\U0010ffff", "\uffee", "\uffff"]
    columns.append(StringData("unicode", unicode, rng.integers(0, len(unicode), rows)))
    columns.append(StringData("noindex", unicode, rng.integers(0, len(unicode), rows), has_bitmaps=False))
    columns.append(StringData("nothing", [None], np.zeros(rows, np.uint8)))
    lengths = rng.integers(0, 4, rows)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    columns.append(
        MultiStringData("tags", ["x", "y", "\U0001f600", "\uffee"], offsets, rng.integers(0, 4, offsets[-1]))
    )
    big = [f"{i:05x}" for i in range(70_000)]
    columns.append(MultiStringData("many", big, offsets, rng.integers(0, len(big), offsets[-1])))
    masks = {"some": rng.random(rows) < 0.1, "all": np.ones(rows, bool), "none": None}
    for name, nulls in masks.items():
        columns.append(LongData(f"l_{name}", rng.integers(-(2**63), 2**63 - 1, rows), nulls))
        columns.append(DoubleData(f"d_{name}", rng.normal(size=rows), nulls))
        columns.append(FloatData(f"f_{name}", rng.normal(size=rows).astype(np.float32), nulls))
    special = np.resize(np.array([0.0, -0.0, 1e300, 5e-324, -1.5]), rows)
    columns.append(DoubleData("special", special))
    for bits in (1, 2, 4, 8, 12, 16, 20, 24, 32, 40, 48, 56):
        columns.append(LongData(f"bits{bits}", rng.integers(0, 1 << bits, rows) - 5))
    return columns


@pytest.mark.parametrize(
    ("spec", "rows"),
    list(zip(SPECS, [65536, 66_000, 67_000, 70_001, 81_920, 65537], strict=True)),
    ids=["lz4", "concise-front", "lzf-front", "zstd-auto", "plain", "uncompressed-auto"],
)
def test_druid_reads_the_rows_that_we_write(spec, rows, real_druid, judged_sections, tmp_path):
    columns = wide_columns(rows)
    names = [c.name for c in columns]
    metrics = [n for n in names if n.startswith(("d_", "bits"))]
    size = write_segment(
        tmp_path / "segment",
        interval=Interval(0, 86_400_000),
        columns=columns,
        dimensions=[n for n in names[1:] if n not in metrics],
        metrics=metrics,
        index_spec=spec,
    )
    assert size == sum(f.stat().st_size for f in (tmp_path / "segment").iterdir())
    expected = json_rows(open_index(tmp_path / "segment"), names)
    for ours, theirs in zip(expected, real_druid.dump_segment(tmp_path / "segment"), strict=True):
        assert ours == theirs
    verdict = judged_sections(real_druid.judge(tmp_path / "segment")[tmp_path / "segment"])
    assert set(verdict) == set(names)
    check_against_source(columns, tmp_path / "segment")


def check_against_source(columns: list[ColumnData], folder: Path) -> None:
    """The rows that both sides agree on are the ones that were given."""
    index = open_index(folder)
    for column in columns:
        found = index.column(column.name)
        if isinstance(column, LongData | DoubleData | FloatData):
            nulls = np.zeros(column.num_rows, bool) if column.nulls is None else column.nulls
            values = found.values(0, column.num_rows)
            assert (values[~nulls] == column.values[~nulls]).all()
        elif isinstance(column, StringData):
            wanted = np.array(column.dictionary, object)[column.codes]
            assert (found.lookup_many(found.codes(0, column.num_rows)) == wanted).all()


def test_druid_filters_with_our_bitmaps(real_druid, tmp_path):
    columns = wide_columns(65536)
    folder = tmp_path / "segment"
    names = [c.name for c in columns]
    write_segment(folder, interval=Interval(0, 86_400_000), columns=columns, dimensions=names[1:], metrics=[])
    tags, wanted = {}, "y"
    index = open_index(folder)
    for row in json_rows(index, ["tags", "s256"]):
        values = row["tags"] if isinstance(row["tags"], list) else [row["tags"]]
        tags[row["s256"]] = tags.get(row["s256"], 0) + (wanted in values)
    selector = json.dumps({"type": "selector", "dimension": "tags", "value": wanted})
    rows = real_druid.dump_segment(folder, "--filter", selector, "-c", "s256")
    found: dict[str, int] = {}
    for row in rows:
        found[row["s256"]] = found.get(row["s256"], 0) + 1
    assert found == {k: v for k, v in tags.items() if v}
