"""attrs classes from and to JSON objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
from attrs import frozen
from cattrs import ClassValidationError
from cattrs.errors import AttributeValidationNote
from cattrs.gen import make_dict_structure_fn, override

from nemeton.common.errors import defensive
from nemeton.json.errors import JsonError, as_json_error, expected, within
from nemeton.json.plain import SAFE
from nemeton.json.scalars import READERS
from nemeton.json.wire import options_of, wire_name, wire_of

if TYPE_CHECKING:
    from nemeton.json.converter import Json

Hook = Callable[[Any, Any], Any]


def fields_reader(cls: type, json: Json) -> Hook:
    """Reads the fields of an attrs class from an object; unknown properties are ignored, null is as good as absent."""
    attributes = _resolved_fields(cls)
    overrides = {a.name: override(rename=wire_name(a), struct_hook=_field_hook(a, json)) for a in attributes}
    skipped = {a.name: override(omit=True) for a in attrs.fields(cls) if _not_read(a, json)}
    read_fields: Hook = make_dict_structure_fn(
        cls, json.converter, _cattrs_detailed_validation=True, _cattrs_forbid_extra_keys=False, **(overrides | skipped)
    )
    names = {a.name: wire_name(a) for a in attributes}
    aliases = tuple((wire_name(a), alias) for a in attributes for alias in wire_of(a).aliases)
    absent = _values_when_absent([a for a in attributes if not _not_read(a, json)])

    def read(value: Any, _: Any) -> Any:
        if type(value) is not dict and not isinstance(value, Mapping):  # the second is slow
            if isinstance(value, cls):
                return value
            raise expected("an object", value)
        if None in value.values():
            value = {k: v for k, v in value.items() if v is not None}
        for name, alias in aliases:
            if alias in value and name not in value:
                value = {**value, name: value[alias]}
        for name, default in absent:
            if name not in value:
                value = {**value, name: default}
        try:
            return read_fields(value, cls)
        except ClassValidationError as e:
            raise _first_problem(e, names) from None

    return read


def _resolved_fields(cls: type) -> list[attrs.Attribute[Any]]:
    if any(isinstance(a.type, str) for a in attrs.fields(cls)):
        try:
            attrs.resolve_types(cls)
        except NameError as e:
            raise defensive(f"The annotations of {cls.__qualname__} cannot be resolved where it is defined: {e}") from e
    return [a for a in attrs.fields(cls) if a.init]


def _not_read(attribute: attrs.Attribute[Any], json: Json) -> bool:
    wire = wire_of(attribute)
    return wire.skip or (wire.injected and json.injector is None and attribute.default is not attrs.NOTHING)


def _field_hook(attribute: attrs.Attribute[Any], json: Json) -> Hook | None:
    wire = wire_of(attribute)
    if wire.as_datetime:
        from nemeton.time import parse_datetime

        return lambda value, _: None if value is None else parse_datetime(value)
    if wire.injected:
        return lambda _, annotation: json.inject(annotation)
    return READERS.get(attribute.type) if isinstance(attribute.type, type) else None


def _values_when_absent(attributes: list[attrs.Attribute[Any]]) -> list[tuple[str, Any]]:
    """What stands for an absent property without a default: null for ``X | None``, a dummy for an injected one."""
    return [
        (wire_name(a), None)
        for a in attributes
        if wire_of(a).injected or (a.default is attrs.NOTHING and _accepts_none(a.type))
    ]


def _accepts_none(annotation: Any) -> bool:
    return annotation is Any or type(None) in getattr(annotation, "__args__", ())


def _first_problem(error: ClassValidationError, names: Mapping[str, str]) -> JsonError:
    """The first of the errors, at the property where it arose."""
    first = error.exceptions[0]
    notes = [note for note in getattr(first, "__notes__", ()) if isinstance(note, AttributeValidationNote)]
    assert isinstance(first, Exception)
    if not notes:  # the class's own check of its fields
        return as_json_error(first)
    name = names[notes[0].name]
    if isinstance(first, KeyError) and first.args == (name,):
        return JsonError("is required", (name,))
    return within(name, first)


@frozen
class _Writer:
    name: str
    attribute: str
    write: Callable[[Any], Any]
    omit_none: bool
    default: Any = attrs.NOTHING


def fields_writer(cls: type, json: Json, tag: tuple[str, str] | None) -> Callable[[Any], dict[str, Any]]:
    """Writes the fields of an attrs class; ``tag`` is the property that holds the type name, and the name."""
    options = options_of(cls)
    writers = [
        _Writer(
            wire_name(a),
            a.name,
            _value_writer(a, json),
            options.omit_none or wire_of(a).omit_none,
            a.default if options.omit_defaults or wire_of(a).omit_default else attrs.NOTHING,
        )
        for a in attrs.fields(cls)
        if not (wire_of(a).skip or wire_of(a).injected)
    ]
    if not any(w.omit_none or w.default is not attrs.NOTHING for w in writers):
        plain = [(w.name, w.attribute, w.write, w.write == json.unstructure) for w in writers]
        head = dict([tag] if tag else ())
        writer_of = json.writer_of

        def write_all(value: Any) -> dict[str, Any]:
            written = dict(head)
            for name, attribute, write, by_type in plain:
                field = getattr(value, attribute)
                if by_type:
                    kind = type(field)
                    written[name] = field if kind in SAFE else writer_of(kind)(field)
                else:
                    written[name] = write(field)
            return written

        return write_all

    def write_some(value: Any) -> dict[str, Any]:
        result: dict[str, Any] = dict([tag] if tag else ())
        for w in writers:
            field = getattr(value, w.attribute)
            if not (w.omit_none and field is None) and (w.default is attrs.NOTHING or not _is_default(field, w, value)):
                result[w.name] = w.write(field)
        return result

    return write_some


def _value_writer(attribute: attrs.Attribute[Any], json: Json) -> Callable[[Any], Any]:
    if wire_of(attribute).as_datetime:
        from nemeton.time import format_datetime

        return lambda value: None if value is None else format_datetime(value)
    return json.unstructure


def _is_default(field: Any, writer: _Writer, instance: Any) -> bool:
    default = writer.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        default = default.factory(instance) if default.takes_self else default.factory()
    return bool(field == default)
