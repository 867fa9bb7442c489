"""The one converter between JSON and our classes."""

from __future__ import annotations

import inspect
import operator
import typing
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import PurePath
from typing import Any, Protocol, TypeVar, cast, overload

import attrs
import msgspec
from cattrs import Converter

from nemeton.json import containers, scalars
from nemeton.json.errors import JsonError, as_json_error
from nemeton.json.objects import fields_reader, fields_writer
from nemeton.json.plain import binary_writers, plain_writers
from nemeton.json.unions import tag_of, union_reader
from nemeton.plugins import TypeRegistry, own_point

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]


class Injector(Protocol):
    """What fills fields that are marked ``wire(injected=True)``."""

    def get(self, key: type[T]) -> T:
        """The instance bound to the type."""
        ...


class Json:
    """Reads and writes JSON. Make one per process: it prepares each class once. Thread-safe.

    Members of extension points are looked up in the registry whenever they are read. ``injector`` (it may be set later)
    fills injected fields.
    """

    def __init__(self, registry: TypeRegistry | None = None, injector: Injector | None = None) -> None:
        """``registry`` may be left out where no type-tagged unions are read."""
        self.registry = registry if registry is not None else TypeRegistry()
        self.injector = injector
        self.converter = Converter(detailed_validation=True)
        self._encoder = msgspec.json.Encoder(decimal_format="number")
        self._writers: dict[type, Callable[[Any], Any]] = self._plain_writers()
        self._for_smile: Json | None = None
        self._scalar_readers: dict[Any, Hook] = dict(scalars.READERS)
        self._register_readers()

    @overload
    def structure(self, obj: Any, cls: type[T]) -> T: ...
    @overload
    def structure(self, obj: Any, cls: Any) -> Any: ...
    def structure(self, obj: Any, cls: Any) -> Any:
        """Make a ``cls`` (a class, or any annotation such as ``list[X] | None``) of plain JSON data.

        Raises `JsonError` (a DruidException, invalidInput), which names the path of the bad value and what it should
        be.
        """
        try:
            return self.converter.structure(obj, cls)
        except Exception as e:
            error = as_json_error(e)
            if error is e:
                raise
            raise error from e

    def structure_fields(self, obj: Any, cls: type[T]) -> T:
        """As `structure`, past the class's own ``from_json``: for use inside it."""
        return cast(T, self._fields_reader(cls)(obj, cls))

    def unstructure(self, obj: Any) -> Any:
        """Plain data that JSON can spell: dicts with string keys, lists, strings, numbers, booleans, None."""
        cls = type(obj)
        writer = self._writers.get(cls)
        return (self.writer_of(cls) if writer is None else writer)(obj)

    def writer_of(self, cls: type) -> Callable[[Any], Any]:
        """What `unstructure` does with values of exactly that class."""
        writer = self._writers.get(cls)
        if writer is None:
            writer = self._writers[cls] = self._make_writer(cls)
        return writer

    def unstructure_fields(self, obj: Any) -> dict[str, Any]:
        """As `unstructure`, past the class's own ``to_json``: for use inside it."""
        return fields_writer(type(obj), self, tag_of(type(obj), self))(obj)

    @overload
    def loads(self, data: bytes | str) -> Any: ...
    @overload
    def loads(self, data: bytes | str, cls: type[T]) -> T: ...
    @overload
    def loads(self, data: bytes | str, cls: Any) -> Any: ...
    def loads(self, data: bytes | str, cls: Any = Any) -> Any:
        """Parse, then `structure`. Raises `JsonError` for what is no JSON too."""
        try:
            parsed = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
            raise JsonError(f"it is malformed: {e}") from e
        return parsed if cls is Any else self.structure(parsed, cls)

    def dumps(self, obj: Any) -> bytes:
        """UTF-8 JSON of anything that `unstructure` takes."""
        return self._encoder.encode(self.unstructure(obj))

    def dumps_plain(self, obj: Any) -> bytes:
        """As `dumps`, of what `unstructure` would leave as it is (`nemeton.json.plain.is_plain_column`)."""
        return self._encoder.encode(obj)

    @overload
    def loads_smile(self, data: bytes) -> Any: ...
    @overload
    def loads_smile(self, data: bytes, cls: type[T]) -> T: ...
    @overload
    def loads_smile(self, data: bytes, cls: Any) -> Any: ...
    def loads_smile(self, data: bytes, cls: Any = Any) -> Any:
        """As `loads`, of a Smile document. Raises `JsonError` for what is no Smile too."""
        from nemeton.json import smile

        try:
            parsed = smile.loads(data)
        except smile.SmileError as e:
            raise JsonError(f"it is malformed Smile: {e}") from e
        return parsed if cls is Any else self.structure(parsed, cls)

    def dumps_smile(self, obj: Any, *, share_values: bool = False) -> bytes:
        """A Smile document of anything that `unstructure` takes.

        NaN, infinities and bytes stay what they are, where JSON has strings for them. ``share_values`` makes it
        smaller when strings repeat, as those of task lists do.
        """
        from nemeton.json import smile

        return smile.dumps(self._unstructure_for_smile(obj), share_values=share_values)

    def dump_smile_array(self, batches: Iterable[Iterable[Any]]) -> Iterator[bytes]:
        """As `dumps_smile`, of one array whose members come in batches: a piece for each, and one at the end."""
        from nemeton.json import smile

        return smile.dump_array([self._unstructure_for_smile(each) for each in batch] for batch in batches)

    def dumps_packed(self, obj: Any) -> bytes:
        """MessagePack of anything that `unstructure` takes: what Smile keeps is kept, at the speed of JSON.

        For what only nemeton reads again, such as cached answers.
        """
        import msgspec

        return msgspec.msgpack.encode(self._unstructure_for_smile(obj))

    def loads_packed(self, data: bytes) -> Any:
        """Read what `dumps_packed` wrote. Raises `JsonError` for anything else."""
        import msgspec

        try:
            return msgspec.msgpack.decode(data)
        except (msgspec.DecodeError, RecursionError) as e:
            raise JsonError(f"it is malformed: {e}") from e

    def _unstructure_for_smile(self, obj: Any) -> Any:
        if self._for_smile is None:
            self._for_smile = _SmileJson(self)
        return self._for_smile.unstructure(obj)

    def inject(self, annotation: Any) -> Any:
        """The instance that fills an injected field of that type."""
        if self.injector is None:
            raise JsonError(f"{annotation} is injected when it is read, and this converter has no injector")
        return self.injector.get(annotation)

    # ---- readers

    def _register_readers(self) -> None:
        """The last one registered is asked first."""
        converter = self.converter
        factory = converter.register_structure_hook_factory
        factory(attrs.has)(self._fields_reader)
        factory(lambda t: own_point(_plain(t)) is not None)(self._tagged_reader)
        factory(containers.is_array)(lambda t: containers.array_reader(t, converter))
        factory(containers.is_map)(lambda t: containers.map_reader(t, converter))
        factory(containers.is_literal)(containers.literal_reader)
        factory(containers.is_union)(lambda t: containers.union_reader(t, converter))
        factory(_is_enum)(scalars.enum_reader)
        factory(lambda t: t is object or t is Any)(lambda _: lambda value, _: value)
        factory(_is_time_type)(_time_reader)
        factory(_takes_over)(self._own_reader)
        for scalar in scalars.READERS:
            converter.register_structure_hook(scalar, self._read_scalar)
        converter.register_structure_hook(bytes, scalars.read_bytes)
        converter.register_structure_hook(PurePath, lambda value, cls: cls(scalars.read_str(value)))

    def _read_scalar(self, value: Any, cls: Any) -> Any:
        """cattrs hands subclasses of a scalar (string enums, open enums that are strings) to the scalar's own hook."""
        reader = self._scalar_readers.get(cls)
        if reader is None:
            if _takes_over(cls):
                reader = self._own_reader(cls)
            elif _is_enum(cls):
                reader = scalars.enum_reader(cls)
            else:
                base = next(base for base in scalars.READERS if issubclass(cls, base))
                reader = lambda value, _: cls(scalars.READERS[base](value))  # noqa: E731
            self._scalar_readers[cls] = reader
        return reader(value, cls)

    def _fields_reader(self, cls: type) -> Hook:
        return fields_reader(cls, self)

    def _tagged_reader(self, base: type) -> Hook:
        return union_reader(_plain(base), self)

    def _own_reader(self, cls: Any) -> Hook:
        if _parameters(cls.from_json) == 1:
            return lambda value, _: cls.from_json(value)
        return lambda value, _: cls.from_json(value, self)

    # ---- writers

    def _plain_writers(self) -> dict[type, Callable[[Any], Any]]:
        return plain_writers(self.unstructure)

    def _make_writer(self, cls: type) -> Callable[[Any], Any]:
        own = getattr(cls, "to_json", None)
        if own is not None:
            if _parameters(own) == 1:
                return lambda value: self.unstructure(value.to_json())
            return lambda value: self.unstructure(value.to_json(self))
        if _is_time_type(cls):
            return str
        if attrs.has(cls):
            return fields_writer(cls, self, tag_of(cls, self))
        if issubclass(cls, Enum):
            # ``value`` is a property that is made anew each time
            is_text = all(type(member.value) is str for member in cls)
            return operator.attrgetter("_value_") if is_text else self._writers[Enum]
        for base in cls.__mro__[1:]:
            if base in self._writers:
                return self._writers[base]
        if cls.__module__ == "numpy":
            return lambda value: self.unstructure(value.tolist())
        raise TypeError(f"{cls.__module__}.{cls.__qualname__} cannot be written as JSON")


class _SmileJson(Json):
    """Another's converter for what is written as Smile, which spells all floats, and bytes."""

    def __init__(self, of: Json) -> None:
        super().__init__(of.registry, of.injector)

    def _plain_writers(self) -> dict[type, Callable[[Any], Any]]:
        return binary_writers(self.unstructure)


def _plain(annotation: Any) -> Any:
    """The class behind a generic alias: what the parameters say is of no meaning in JSON."""
    return typing.get_origin(annotation) or annotation


def _is_enum(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Enum)


def _takes_over(cls: Any) -> bool:
    """Whether the class reads itself by ``from_json``; that of a union's base reads the union, not its members."""
    if not isinstance(cls, type):
        return False
    for ancestor in cls.__mro__:
        if "from_json" in vars(ancestor):
            return ancestor is cls or own_point(ancestor) is None
    return False


def _parameters(function: Callable[..., Any]) -> int:
    return len(inspect.signature(function).parameters)


def _is_time_type(annotation: Any) -> bool:
    module = getattr(annotation, "__module__", "")
    return isinstance(annotation, type) and module.startswith("nemeton.time") and hasattr(annotation, "parse")


def _time_reader(cls: Any) -> Hook:
    """Intervals and periods know their text and nothing of JSON."""
    return lambda value, _: value if isinstance(value, cls) else cls.parse(value)
