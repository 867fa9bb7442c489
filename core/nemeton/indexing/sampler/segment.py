"""The segment that is made of sampled rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

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
    #: of `auto` dimensions, once there are rows: the types that their values have
    _found: dict[str, ColumnType] = field(init=False, factory=dict, eq=False)

    @property
    def dimensions(self) -> list[DimensionSchema]:
        """The dimensions, in order."""
        return [*self.schema.dimensions_spec.dimensions, *map(self.schema.dimensions_spec.found, self.discovered)]

    @property
    def logical_dimensions(self) -> list[DimensionSchema]:
        """As `dimensions`, those that were found by the type of their values."""
        listed = {dimension.name for dimension in self.schema.dimensions_spec.dimensions}
        return [each if each.name in listed else self._logical(each) for each in self.dimensions]

    def _logical(self, dimension: DimensionSchema) -> DimensionSchema:
        kind = self._found.get(dimension.name)
        if kind is None or kind.is_array or kind.is_complex:
            return dimension
        return DimensionSchema(dimension.name, str(kind).lower())

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
        from nemeton.segment.object_columns import ObjectColumn

        names = [*self._types(), ROW_NUMBER]
        columns = {name: index.column(name) for name in names}
        count = index.num_rows
        autos = {dimension.name for dimension in self.dimensions if dimension.column_type == "AUTO"}
        self._found.update({name: columns[name].type for name in autos if columns[name] is not None})
        values: dict[str, list[Any]] = {}
        for name, column in columns.items():
            if column is None:
                values[name] = [None] * count
            elif name in autos and isinstance(column, ObjectColumn):
                values[name] = column.objects(0, count).tolist()
            else:
                values[name] = to_array(column, 0, count).to_pylist()
        values[_TIME] = columns[_TIME].values(0, index.num_rows).tolist()
        numbers = values.pop(ROW_NUMBER)
        records = zip(*values.values(), strict=True)
        rows = (
            {name: value if name in autos else _shown(value) for name, value in zip(values, row, strict=True)}
            for row in records
        )
        return dict(zip(numbers, rows, strict=True))

    def _types(self) -> dict[str, ColumnType]:
        types = {_TIME: ColumnType.LONG}
        types |= {dimension.name: self._type(dimension) for dimension in self.dimensions}
        metrics = (factory for factory in self.schema.metrics_spec if factory.name != ROW_NUMBER)
        return types | {factory.name: factory.intermediate_type for factory in metrics}

    def _type(self, dimension: DimensionSchema) -> ColumnType:
        if dimension.column_type == "AUTO":
            return self._found.get(dimension.name, ColumnType.STRING)
        return ColumnType.parse(dimension.column_type)

    def signature(self) -> list[dict[str, str]]:
        """The columns with their types."""
        return [{"name": name, "type": str(kind)} for name, kind in self._types().items()]


def _shown(value: Any) -> Any:
    """A row's value; a list of one as that one, as Druid shows it."""
    if isinstance(value, list) and len(value) < 2:
        return value[0] if value else None
    return value
