"""A native query in the making: relational operators are pushed into it as long as one native query can do them."""

from __future__ import annotations

from attrs import evolve, frozen

from nemeton.sql.logical import Field, SortKey
from nemeton.sql.physical import Physical
from nemeton.sql.rex import AggCall, InputRef, Rex, conjuncts, substitute


@frozen
class Unnesting:
    """A column of the elements of an array, by which rows are repeated: the array is a native expression."""

    name: str
    expression: str
    native: str


@frozen
class Source:
    """What the query reads: a table by name, or the rows of another plan. `names` are its native columns.

    A `nested` plan is one native query, which goes into the outer one as its data source.
    """

    names: tuple[str, ...]
    fields: tuple[Field, ...]
    table: str | None = None
    plan: Physical | None = None
    union: tuple[str, ...] = ()
    nested: bool = False
    unnestings: tuple[Unnesting, ...] = ()

    @property
    def is_table(self) -> bool:
        """Whether the rows come from segments, by table name."""
        return self.table is not None or bool(self.union)


@frozen
class Grouping:
    """The aggregation of a query; expressions are over the source."""

    groups: tuple[Rex, ...]
    calls: tuple[AggCall, ...]
    sets: tuple[tuple[int, ...], ...]
    fields: tuple[Field, ...]

    @property
    def is_plain(self) -> bool:
        """One grouping set that holds all groups."""
        return self.sets == (tuple(range(len(self.groups))),)


@frozen
class OrderKey:
    """A sort key as an expression over what `outputs` are over."""

    rex: Rex
    descending: bool
    nulls_first: bool | None = None


@frozen
class Partial:
    """The state of a query in the making.

    `outputs` and `order` are expressions over the source, or over the aggregation's result once there is one. The
    methods give the query with one operator more, or None when it takes another query to do that.
    """

    source: Source
    fields: tuple[Field, ...]
    outputs: tuple[Rex, ...]
    where: tuple[Rex, ...] = ()
    grouping: Grouping | None = None
    having: tuple[Rex, ...] = ()
    order: tuple[OrderKey, ...] = ()
    offset: int = 0
    limit: int | None = None

    @classmethod
    def of(cls, source: Source) -> Partial:
        """A query that reads everything of the source."""
        outputs = tuple(InputRef(field.type, index) for index, field in enumerate(source.fields))
        return cls(source, source.fields, outputs)

    @property
    def is_cut(self) -> bool:
        """Whether rows are skipped or limited, after which nothing may filter or group in the same query."""
        return self.limit is not None or self.offset > 0

    def unsorted(self) -> tuple[Partial, tuple[SortKey, ...]]:
        """The query without order and limit, and the keys by which its rows are to be sorted afterwards.

        What it is ordered by and does not return is added behind its outputs.
        """
        outputs, fields = list(self.outputs), list(self.fields)
        keys: list[SortKey] = []
        for key in self.order:
            if key.rex not in outputs:
                outputs.append(key.rex)
                fields.append(Field(f"$sort{len(outputs)}", key.rex.type))
            keys.append(SortKey(outputs.index(key.rex), key.descending, key.nulls_first))
        wide = evolve(self, outputs=tuple(outputs), fields=tuple(fields), order=(), offset=0, limit=None)
        return wide, tuple(keys)

    def filtered(self, condition: Rex) -> Partial | None:
        """With a condition on the output: WHERE, or HAVING once there are groups."""
        if self.is_cut:
            return None
        parts = tuple(conjuncts(substitute(condition, self.outputs)))
        if self.grouping is None:
            return evolve(self, where=self.where + parts)
        return evolve(self, having=self.having + parts)

    def projected(self, fields: tuple[Field, ...], expressions: tuple[Rex, ...]) -> Partial | None:
        """With other outputs, as expressions over the present ones."""
        return evolve(self, fields=fields, outputs=tuple(substitute(rex, self.outputs) for rex in expressions))

    def grouped(self, grouping: Grouping) -> Partial | None:
        """With an aggregation over the present outputs."""
        if self.grouping is not None or self.is_cut:
            return None
        calls = tuple(
            evolve(
                call,
                args=tuple(substitute(arg, self.outputs) for arg in call.args),
                filter=substitute(call.filter, self.outputs) if call.filter is not None else None,
            )
            for call in grouping.calls
        )
        groups = tuple(substitute(group, self.outputs) for group in grouping.groups)
        outputs = tuple(InputRef(field.type, index) for index, field in enumerate(grouping.fields))
        return evolve(
            self,
            grouping=evolve(grouping, groups=groups, calls=calls),
            fields=grouping.fields,
            outputs=outputs,
            order=(),
        )

    def sorted(self, keys: tuple[SortKey, ...], offset: int, limit: int | None) -> Partial | None:
        """With an order and a limit on the output."""
        if keys and self.is_cut:
            return None
        if self.is_cut or (self.order and not keys):
            kept = None if self.limit is None else max(self.limit - offset, 0)
            both = [count for count in (kept, limit) if count is not None]
            return evolve(self, offset=self.offset + offset, limit=min(both) if both else None)
        order = tuple(OrderKey(self.outputs[key.index], key.descending, key.nulls_first) for key in keys)
        return evolve(self, order=order or self.order, offset=offset, limit=limit)
