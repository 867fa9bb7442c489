"""The ``flattenSpec``: which fields of a nested record become columns (Druid: ``JSONPathSpec``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.ingest.flatten import jq, json_path

Extractor = Callable[[Any], Any]
Part = str | int


@frozen(kw_only=True)
class FieldSpec:
    """A column: ``root`` (a field by name), ``path`` (JSONPath), ``jq``, or ``tree`` (names, one within another)."""

    type: str
    name: str
    expr: str | None = None
    nodes: tuple[str, ...] | None = None
    extract: Extractor = field(eq=False, repr=False)
    #: where the value lies, when that is one place given by names and numbers; None otherwise
    place: tuple[Part, ...] | None = field(eq=False, repr=False)

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> FieldSpec:
        """From an object, or the name of a root field."""
        if isinstance(value, str):
            value = {"type": "root", "name": value}
        if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
            raise invalid_input("Missing 'name' in field spec (flattenSpec.fields)")
        kind = str(value.get("type") or "").lower()
        if kind not in _KINDS:
            raise invalid_input(f"flattenSpec: unknown type[{kind}] of field[{value['name']}], known: {list(_KINDS)}")
        return _KINDS[kind](value["name"], value)

    def to_json(self, json: Any = None) -> dict[str, Any]:
        """As Druid writes it."""
        out: dict[str, Any] = {"type": self.type, "name": self.name, "expr": self.expr}
        return out | ({"nodes": list(self.nodes)} if self.nodes is not None else {})


def _expr(name: str, value: Mapping[str, Any]) -> str:
    expr = value.get("expr")
    if not isinstance(expr, str):
        raise invalid_input(f"Missing 'expr' for field[{name}] (flattenSpec.fields)")
    return expr


def _at(place: tuple[Part, ...]) -> Extractor:
    def extract(document: Any) -> Any:
        for part in place:
            document = document.get(part) if isinstance(document, dict) else None
        return document

    return extract


def _root(name: str, value: Mapping[str, Any]) -> FieldSpec:
    expr = value.get("expr") or name
    return FieldSpec(type="root", name=name, expr=str(expr), extract=_at((str(expr),)), place=(str(expr),))


def _tree(name: str, value: Mapping[str, Any]) -> FieldSpec:
    nodes = value.get("nodes")
    if not isinstance(nodes, list) or not nodes:
        raise invalid_input(f"Missing 'nodes' for field[{name}], was [{nodes}] (flattenSpec.fields)")
    place = tuple(map(str, nodes))
    return FieldSpec(type="tree", name=name, nodes=place, extract=_at(place), place=place)


def _path(name: str, value: Mapping[str, Any]) -> FieldSpec:
    path = json_path.compile_path(_expr(name, value))
    return FieldSpec(type="path", name=name, expr=path.text, extract=path.read, place=path.place)


def _jq(name: str, value: Mapping[str, Any]) -> FieldSpec:
    query = jq.compile_query(_expr(name, value))
    return FieldSpec(type="jq", name=name, expr=query.text, extract=query.first, place=query.place)


_KINDS: dict[str, Callable[[str, Mapping[str, Any]], FieldSpec]] = {
    "root": _root,
    "path": _path,
    "jq": _jq,
    "tree": _tree,
}


@frozen(kw_only=True)
class FlattenSpec:
    """The columns picked out, and whether the other fields of the root are columns, too."""

    use_field_discovery: bool = True
    fields: tuple[FieldSpec, ...] = ()

    def __attrs_post_init__(self) -> None:
        names = [spec.name for spec in self.fields]
        for name in names:
            if names.count(name) > 1:
                raise invalid_input(f"Cannot have duplicate field definition: {name} (flattenSpec.fields)")

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> FlattenSpec:
        """From its object."""
        if not isinstance(value, Mapping):
            raise invalid_input("flattenSpec: an object is expected")
        discovers = value.get("useFieldDiscovery")
        fields = tuple(FieldSpec.from_json(item) for item in value.get("fields") or ())
        return cls(use_field_discovery=True if discovers is None else bool(discovers), fields=fields)

    def to_json(self, json: Any = None) -> dict[str, Any]:
        """As Druid writes it."""
        return {"useFieldDiscovery": self.use_field_discovery, "fields": [spec.to_json() for spec in self.fields]}


EVERYTHING = FlattenSpec()
"""Without a flattenSpec: the fields of the root."""
