"""An expression over the columns of a block: what virtual columns, filters and aggregators evaluate."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from attrs import evolve

from nemeton.common.errors import QueryException
from nemeton.model import ColumnType
from nemeton.query.expressions.evaluate import Env, find_function, uncached
from nemeton.query.expressions.failures import WRITING
from nemeton.query.expressions.logic import convert
from nemeton.query.expressions.parser import Call, Identifier, Lambda, Literal, Node, identifiers, parse
from nemeton.query.expressions.types import MACROS, UnknownFunctionError, can_vectorize
from nemeton.query.expressions.types import output_type as inferred_type
from nemeton.query.expressions.vec import Vec, constant, text
from nemeton.query.source import convert_numbers
from nemeton.query.vectors import (
    COLUMN_TYPES,
    DTYPES,
    NULL_DICTIONARY,
    AnyVector,
    Array,
    Dictionary,
    ListedNumericVector,
    MappedStringVector,
    MultiStringVector,
    NumericVector,
    ObjectVector,
    StringVector,
    encode_strings,
    is_missing,
    multi_vector,
    object_array,
)

if TYPE_CHECKING:
    from nemeton.spi.query import Block


class ExpressionColumn:
    """A parsed expression, bound to blocks. Immutable; use `of`."""

    def __init__(self, tree: Node) -> None:
        self.tree = tree
        self.inputs = identifiers(tree)
        self.single_uses = single_uses(self.tree)

    @staticmethod
    @functools.lru_cache(maxsize=1024)
    def of(text: str) -> ExpressionColumn:
        """The expression of that text, parsed once. Raises invalid_input."""
        return ExpressionColumn(parse(text))

    def required_columns(self) -> frozenset[str]:
        """The columns it reads."""
        return self.inputs

    def evaluate(self, block: Block) -> Vec:
        """The values for the rows of the block; of an expression that is mapped over multi-value columns arrays."""
        multi = self._multi_inputs(block)
        if multi:
            vec, offsets = self._mapped(block, multi)
            return Vec(f"ARRAY<{vec.type or 'STRING'}>", _lists(vec, offsets))
        return self._run(block, {name: to_vec(block, name, block.vector(name)) for name in self.inputs}, block.num_rows)  # type: ignore[arg-type]

    def _multi_inputs(self, block: Block) -> list[str]:
        """The multi-value columns over whose values the expression is mapped."""
        return [name for name in sorted(self.single_uses) if isinstance(block.vector(name), MultiStringVector)]

    def _run(self, block: Block, columns: dict[str, Vec], count: int) -> Vec:
        return Env(count, columns.__getitem__, block.cached).evaluate(self.tree)

    def numbers(self, block: Block, type_name: str) -> tuple[Array, Array | None]:
        """The values as numbers of a type, and the mask of nulls."""
        kind = "DOUBLE" if type_name == "FLOAT" else type_name
        vec = by_row(convert_encoded(self.evaluate(block), kind), block.num_rows)
        return convert_numbers(vec.values, type_name), vec.nulls

    def vector(self, block: Block, hint: str | None = None) -> AnyVector:
        """The values as a vector: strings by code. A multi-value input is mapped value by value.

        `hint` is the output type that the query names; see `output_type`. An expression that is just a column is that
        column, whatever the hint says: as in Druid.
        """
        if isinstance(self.tree, Identifier):
            return cast("AnyVector", block.vector(self.tree.name))
        multi = self._multi_inputs(block)
        if multi:
            return self._map_multi(block, multi, hint)
        vec = self.evaluate(block)
        kind = hint if any(is_missing(block.vector(name)) for name in self.inputs) else output_type(vec.type, hint)
        if kind == "STRING" and vec.is_array:
            return multi_vector([item and [text(part) for part in item] for item in by_row(vec, block.num_rows).values])
        if kind is not None:
            vec = convert_encoded(vec, "DOUBLE" if kind == "FLOAT" else kind)
        return to_vector(block, vec, block.num_rows, kind)

    def _map_multi(self, block: Block, names: Sequence[str], hint: str | None) -> AnyVector:
        """Strings stay multi-value; of numbers those of rows with one value count, where the column is read as such."""
        vec, offsets = self._mapped(block, names)
        kind = output_type(vec.type, hint)
        if vec.is_numeric and kind in DTYPES:
            lists = _lists(vec, offsets)
            single = convert(Vec(f"ARRAY<{vec.type}>", lists), str(vec.type))
            by_value = None
            if hint in DTYPES and len(self.inputs) == 1 and not array_uses(self.tree):
                each = vec.decoded()
                by_value = offsets, NumericVector(COLUMN_TYPES[kind], convert_numbers(each.values, kind), each.nulls)
            if _has_open_strings(block):
                lists = object_array([item[0] if len(item) == 1 else item for item in lists])
            values = convert_numbers(single.values, kind)
            return ListedNumericVector(COLUMN_TYPES[kind], values, single.nulls, lists=lists, by_value=by_value)
        found = to_vector(block, convert_encoded(vec, "STRING"), int(offsets[-1]), "STRING")
        assert isinstance(found, StringVector)
        mapped = MultiStringVector(offsets, found.codes, found.dictionary)
        lengths = block.vector(names[0]).lengths  # type: ignore[attr-defined]
        return mapped if len(self.inputs) > 1 or lengths.all() else _emptied(mapped, lengths == 0)

    def _mapped(self, block: Block, names: Sequence[str]) -> tuple[Vec, Array]:
        """The values for all combinations of values of these columns, and where those of each row are."""
        vectors: dict[str, Any] = {name: block.vector(name) for name in self.inputs}
        rows = np.arange(block.num_rows)
        for name in names:
            repeated, vectors[name] = vectors[name].explode()
            rows = rows[repeated]
            vectors.update({other: vectors[other].take(repeated) for other in vectors if other != name})
        columns = {name: to_vec(block, name, vector) for name, vector in vectors.items()}
        vec = self._run(block, columns, len(rows))
        if vec.is_constant:
            vec = by_row(vec, len(rows))
        return vec, np.searchsorted(rows, np.arange(block.num_rows + 1))

    def column_type(self, type_of: Callable[[str], ColumnType | None]) -> ColumnType | None:
        """The type of the values, as Druid tells it before reading a row; FLOAT when it cannot be told."""

        def known(name: str) -> str | None:
            kind = type_of(name)
            return None if kind is None else "DOUBLE" if str(kind) == "FLOAT" else str(kind)

        if not self.inputs:
            return ColumnType.parse(self._constant_type() or "FLOAT")
        if isinstance(self.tree, Identifier):
            return type_of(self.tree.name)
        if any(known(name) is None for name in self.inputs) and not can_vectorize(self.tree):
            return ColumnType.FLOAT
        try:
            found = inferred_type(self.tree, known)
        except UnknownFunctionError:
            columns = {name: _empty(type_of(name)) for name in self.inputs}
            found = Env(0, columns.__getitem__, uncached).evaluate(self.tree).type
        return ColumnType.parse(found or "FLOAT")

    def _constant_type(self) -> str | None:
        found = Env.of_constants().evaluate(self.tree)
        return None if found.null_mask().all() else found.type

    def fold(self) -> None:
        """Evaluate what is constant, and raise what that raises: as Druid does when it parses."""
        _fold(self.tree)


def output_type(found: str | None, hint: str | None) -> str | None:
    """The type of a column whose expression gives `found` where the query said `hint`; None to leave it as it is.

    As in Druid the hint only decides between float and double, and whether arrays and nulls are strings or numbers.
    """
    if found in ("LONG", "DOUBLE"):
        return "FLOAT" if hint == "FLOAT" else found
    if found is None or hint in DTYPES:
        return hint
    if found.startswith("ARRAY"):
        return "STRING" if hint == "STRING" else None
    return None if found.startswith("COMPLEX") else found


def _has_open_strings(block: Block) -> bool:
    """Whether Druid finds out row by row how many values there are, and so shows a single one as such."""
    return bool(getattr(getattr(getattr(block, "source", None), "segment", None), "has_open_strings", False))


def _emptied(vector: MultiStringVector, rows: Array) -> MappedStringVector:
    """Without the value (one) that these rows have: where there was none, it was made to have one to map."""
    keep = ~np.repeat(rows, vector.lengths)
    offsets = vector.offsets - np.append(np.zeros(1, dtype=np.int64), np.cumsum(rows))
    return MappedStringVector(offsets, vector.codes[keep], vector.dictionary, shown=vector)


def _lists(vec: Vec, offsets: Array) -> Array:
    """The values from each offset to the next as lists."""
    values = vec.decoded().objects()
    return object_array([values[start:end] for start, end in itertools.pairwise(offsets.tolist())])


def _fold(node: Node) -> bool:
    """Whether a tree is constant; evaluates the calls of constants."""
    if isinstance(node, Call):
        constants = [_fold(arg) for arg in node.args]
        if node.name.lower() == "lookup":
            return False  # what it says depends on the role that asks, and on the moment
        if all(constants):
            try:
                Env.of_constants().evaluate(node)
            except QueryException as failure:
                if failure.error_class != WRITING:
                    raise
        elif node.name.lower() in MACROS:
            env = Env.of_constants(0)
            args = [env.evaluate(arg) if ok else Vec("STRING", np.zeros(0, dtype=object))
                    for arg, ok in zip(node.args, constants, strict=True)]  # fmt: skip
            find_function(node.name).run(node, args, 0)
        return all(constants)
    return isinstance(node, Literal)


def _words(text: str) -> list[str]:
    return text.split()


_ARRAY_ARGUMENTS: dict[str, slice] = {
    **dict.fromkeys(
        [
            "array_length",
            "array_to_string",
            "array_offset",
            "array_ordinal",
            "array_offset_of",
            "array_ordinal_of",
            "array_append",
            "array_set_add",
            "array_slice",
            "array_quantile",
        ],
        slice(0, 1),
    ),
    **dict.fromkeys(["array_prepend", "scalar_in_array"], slice(1, 2)),
    **dict.fromkeys(
        [
            "array_concat",
            "array_set_add_all",
            "array_contains",
            "array_overlap",
            "mv_to_array",
            "array_to_mv",
            "mv_harmonize_nulls",
        ],
        slice(None),
    ),
    **dict.fromkeys(["map", "cartesian_map", "filter", "any", "all"], slice(1, None)),
    **dict.fromkeys(["fold", "cartesian_fold"], slice(1, -1)),
}
"""Which arguments of a function are arrays, so that a multi-value column there is one."""


def single_uses(node: Node, bound: frozenset[str] = frozenset()) -> frozenset[str]:
    """The columns that are used as single values: the expression is mapped over the values of multi-value ones."""
    if isinstance(node, Identifier):
        return frozenset() if node.name in bound else frozenset([node.name])
    if isinstance(node, Lambda):
        return single_uses(node.body, bound | set(node.parameters))
    if not isinstance(node, Call):
        return frozenset()
    arrays = _array_arguments(node)
    parts = [arg for arg in node.args if not (isinstance(arg, Identifier) and any(arg is a for a in arrays))]
    return frozenset().union(*(single_uses(part, bound) for part in parts))


def array_uses(node: Node, bound: frozenset[str] = frozenset()) -> frozenset[str]:
    """The columns that are used as arrays."""
    if isinstance(node, Lambda):
        return array_uses(node.body, bound | set(node.parameters))
    if not isinstance(node, Call):
        return frozenset()
    named = {arg.name for arg in _array_arguments(node) if isinstance(arg, Identifier)}
    return frozenset(named - bound).union(*(array_uses(arg, bound) for arg in node.args))


def _array_arguments(node: Call) -> list[Node]:
    name = node.name.lower()
    if name == "cast" and isinstance(node.args[-1], Literal) and str(node.args[-1].value).upper().startswith("ARRAY"):
        return [node.args[0]]
    return list(node.args[_ARRAY_ARGUMENTS[name]]) if name in _ARRAY_ARGUMENTS else []


def _empty(kind: ColumnType | None) -> Vec:
    if kind is None:
        return Vec(None, np.zeros(0, dtype=object))
    name = "DOUBLE" if str(kind) == "FLOAT" else str(kind)
    dtype: Any = {"LONG": np.int64, "DOUBLE": np.float64}.get(name, object)
    return Vec(name, np.zeros(0, dtype=dtype))


def to_vec(block: Block, name: str, vector: AnyVector) -> Vec:
    """A column of a block for evaluation: strings by their dictionary, unless that is larger than the block."""
    if isinstance(vector, NumericVector):
        if vector.values.dtype == np.float32:
            return Vec("DOUBLE", vector.values.astype(np.float64), vector.nulls)
        return Vec(str(vector.type), vector.values, vector.nulls)
    if isinstance(vector, StringVector):
        if vector.dictionary is NULL_DICTIONARY:  # a column that is not there: its nulls have no type
            return constant(None, None)
        return _encoded_strings(block, name, vector)
    kind = "ARRAY<STRING>" if isinstance(vector, MultiStringVector) else str(vector.type)
    values = [v if v is None or isinstance(v, (list, dict)) else [v] for v in vector.to_list()]
    if kind == "STRING":  # of an auto column with values of several types
        return Vec(kind, object_array([text(value) for value in vector.to_list()]))
    if not kind.startswith("ARRAY"):
        return Vec(kind, object_array(vector.to_list()))
    return Vec(kind, object_array(values))


def _encoded_strings(block: Block, name: str, vector: StringVector) -> Vec:
    dictionary = vector.dictionary
    if dictionary.size <= max(4 * len(vector), 64):
        block.cached(("held", id(dictionary)), lambda: dictionary)
        return Vec("STRING", dictionary.values, None, False, vector.codes, ("dictionary", id(dictionary), name))
    distinct, codes = np.unique(vector.codes, return_inverse=True)
    # The tag is of this block only: an object that nobody else has.
    return Vec("STRING", dictionary.lookup(distinct), None, False, codes, ("block", _Token(), name))


class _Token:
    """Equal only to itself."""


def take_rows(vec: Vec, rows: Array) -> Vec:
    """The vec with its rows repeated or left out."""
    if vec.is_constant:
        return vec
    if vec.codes is not None:
        return evolve(vec, codes=vec.codes[rows], tag=("rows", _Token()))
    return evolve(vec, values=vec.values[rows], nulls=None if vec.nulls is None else vec.nulls[rows])


def convert_encoded(vec: Vec, kind: str) -> Vec:
    """A cast that keeps codes."""
    if vec.type == kind:
        return vec
    found = convert(evolve(vec, codes=None, tag=None), kind)
    return evolve(found, codes=vec.codes, tag=vec.tag, is_constant=vec.is_constant)


def by_row(vec: Vec, count: int) -> Vec:
    """One value per row."""
    if vec.is_constant:
        nulls = None if vec.nulls is None else np.repeat(vec.nulls, count)
        if vec.type is None:
            return constant_rows(count)
        return Vec(vec.type, np.repeat(vec.values, count), nulls)
    return vec.decoded()


def constant_rows(count: int) -> Vec:
    """Nulls."""
    return Vec("STRING", np.full(count, None, dtype=object))


def to_vector(block: Block, vec: Vec, count: int, output_type: str | None) -> AnyVector:
    """The result as a vector of the engine."""
    if vec.is_numeric:
        plain = by_row(vec, count)
        name = output_type if output_type in COLUMN_TYPES and output_type != "STRING" else str(plain.type)
        return NumericVector(COLUMN_TYPES[name], convert_numbers(plain.values, name), plain.nulls)
    if vec.type in ("STRING", None):
        if vec.codes is None:
            if vec.is_constant:
                value = vec.constant()
                return StringVector(np.zeros(count, dtype=np.uint8), Dictionary([value], 1))
            codes, distinct = encode_strings(vec.values)
            return StringVector(codes, Dictionary(distinct, len(distinct)))
        return _remapped(block, vec)
    plain = by_row(vec, count)
    return ObjectVector(ColumnType.parse(str(plain.type)), plain.values)


def _remapped(block: Block, vec: Vec) -> StringVector:
    """Codes into a dictionary of the distinct results; remembered for the segment."""
    values, tag = vec.values, vec.tag

    def make() -> tuple[Array, Dictionary, Any]:
        remap, distinct = encode_strings(values)
        return remap, Dictionary(distinct, len(distinct)), values

    if isinstance(tag, tuple) and tag and tag[0] == "dictionary":
        remap, dictionary, _ = block.cached(("remap", id(values)), make)
    else:
        remap, dictionary, _ = make()
    assert vec.codes is not None
    return StringVector(remap[vec.codes], dictionary)
