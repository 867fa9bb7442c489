"""The segment that is made of sampled rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from nemeton.indexing.sampler.reader import ROW_NUMBER
from nemeton.ingest.schema import DataSchema, DimensionSchema
from nemeton.json import Json
from nemeton.model import ColumnType

if TYPE_CHECKING:
    from nemeton.ingest.rows import RowBatch

_TIME = "__time"


@frozen
class SampledSegment:
    """The segment that is made of the sampled rows."""

    schema: DataSchema
    discovered: list[str]
    json: Json

    @property
    def dimensions(self) -> list[DimensionSchema]:
        """The dimensions, in order."""
        return [*self.schema.dimensions_spec.dimensions, *map(self.schema.dimensions_spec.found, self.discovered)]

    def ingest(self, batches: list[RowBatch], folder: Path) -> dict[int, dict[str, Any]]:
        """The rows by the number of the record; where records became one row, that of the first."""
        from nemeton.ingest.index.builder import SegmentBuilder
        from nemeton.segment import QueryableIndex

        builder = SegmentBuilder(
            self.schema, folder / "work", self.json, discovered=dict.fromkeys(self.discovered), threads=1
        )
        try:
            for batch in batches:
                builder.add(batch)
            for pending in builder.segments():  # one, as it spans all time
                pending.write(folder / "segment")
        finally:
            builder.close()
        if not (folder / "segment").exists():
            return {}
        index = QueryableIndex.open(folder / "segment")
        try:
            return self._rows(index)
        finally:
            index.close()

    def _rows(self, index: Any) -> dict[int, dict[str, Any]]:
        from nemeton.segment.arrow import to_array

        names = [*self._types(), ROW_NUMBER]
        columns = {name: index.column(name) for name in names}
        values = {
            name: [None] * index.num_rows if column is None else to_array(column, 0, index.num_rows).to_pylist()
            for name, column in columns.items()
        }
        values[_TIME] = columns[_TIME].values(0, index.num_rows).tolist()
        numbers = values.pop(ROW_NUMBER)
        records = zip(*values.values(), strict=True)
        rows = ({name: _shown(value) for name, value in zip(values, row, strict=True)} for row in records)
        return dict(zip(numbers, rows, strict=True))

    def _types(self) -> dict[str, ColumnType]:
        types = {_TIME: ColumnType.LONG}
        types |= {dimension.name: ColumnType.parse(dimension.column_type) for dimension in self.dimensions}
        metrics = (factory for factory in self.schema.metrics_spec if factory.name != ROW_NUMBER)
        return types | {factory.name: factory.intermediate_type for factory in metrics}

    def signature(self) -> list[dict[str, str]]:
        """The columns with their types."""
        return [{"name": name, "type": str(kind)} for name, kind in self._types().items()]


def _shown(value: Any) -> Any:
    """A row's value; a list of one as that one, as Druid shows it."""
    if isinstance(value, list) and len(value) < 2:
        return value[0] if value else None
    return value
