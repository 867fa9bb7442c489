"""The type registry: (extension point, type name) → class, with the extension that brought it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from attrs import field, frozen

from nemeton.common.errors import DruidException
from nemeton.plugins.lazytype import LazyImportError, LazyType
from nemeton.plugins.markers import ExtensionPoint, json_type, own_point, point_of, type_names

T = TypeVar("T")
CORE = "core"


class UnknownTypeError(DruidException):
    """No class is registered under that type name."""

    def __init__(self, point: ExtensionPoint, name: str, known: list[str], hint: str | None) -> None:
        """``hint`` says where the type could come from."""
        text = f"Unknown {point.name} type [{name}]; known types are [{', '.join(known)}]"
        super().__init__(f"{text}. {hint}" if hint else text, error_code="invalidInput", category="INVALID_INPUT")
        self.type_name = name
        self.known = known
        self.hint = hint


class NameClashError(ValueError):
    """Two extensions registered the same type name."""

    def __init__(self, hook: str, name: str, source: str, holder: Entry) -> None:
        """``source`` came second, ``holder`` has the name."""
        super().__init__(f"type name [{name}] of hook {hook} is registered by both [{holder.source}] and [{source}]")
        self.hook = hook
        self.name = name
        self.source = source
        self.holder = holder


@frozen
class Entry:
    """One registered class: its names, the class or its dotted name, and where it came from.

    ``source`` names the extension and its distribution; ``core`` for nemeton's own.
    """

    hook: str
    item: type | LazyType
    source: str = CORE
    names: tuple[str, ...] = field(init=False)

    @names.default
    def _names(self) -> tuple[str, ...]:
        return self.item.names if isinstance(self.item, LazyType) else type_names(self.item)

    @property
    def name(self) -> str:
        """The main type name: the one that is written."""
        return self.names[0]

    def load(self) -> type:
        """The class. Raises `LazyImportError` when its dotted name leads nowhere or to the wrong thing."""
        if isinstance(self.item, type):
            return self.item
        cls = self.item.load()
        problem = member_problem(cls, self.hook)
        if problem is not None:
            raise LazyImportError(f"{self.item.target!r} {problem}")
        assert isinstance(cls, type)
        if not type_names(cls):
            json_type(*self.names)(cls)
        return cls


def member_problem(item: Any, hook: str) -> str | None:
    """Why the object cannot be filed under the hook; None when it can."""
    if not isinstance(item, type):
        return "is not a class"
    point = point_of(item)
    if point is None:
        return f"is not a subclass of any extension point; the hook reference names the base class of hook {hook}"
    if point.hook != hook:
        return f"is a {point.name}, which belongs to hook {point.hook}, not to {hook}"
    if own_point(item) is not None:
        return f"is the abstract base of {point.name} types itself"
    return None


class TypeRegistry:
    """Type names → classes for all extension points. Filled at start-up, then only read; safe from any thread.

    `who_provides` is asked, when a name is unknown, for a sentence on where it could come from.
    """

    def __init__(self, who_provides: Callable[[str, str], str | None] | None = None) -> None:
        self._entries: dict[str, dict[str, Entry]] = {}
        self._loaded: dict[tuple[str, str], type] = {}
        self._lock = threading.Lock()
        self._who_provides = who_provides

    def add(self, hook: str, item: type | LazyType, source: str = CORE) -> Entry:
        """File a class under a hook. Raises `NameClashError`, and ValueError for a class without a type name."""
        entry = Entry(hook, item, source)
        if not entry.names:
            raise ValueError(f"{item!r} has no type name; decorate it with @json_type")
        self.add_all([entry])
        return entry

    def add_all(self, entries: list[Entry]) -> None:
        """File all of the entries or, when one clashes, none."""
        with self._lock:
            self._check_clashes(entries)
            for entry in entries:
                self._entries.setdefault(entry.hook, {}).update(dict.fromkeys(entry.names, entry))

    def _check_clashes(self, entries: list[Entry]) -> None:
        staged: dict[tuple[str, str], Entry] = {}
        for entry in entries:
            for name in entry.names:
                holder = self._entries.get(entry.hook, {}).get(name) or staged.get((entry.hook, name))
                if holder is not None:
                    raise NameClashError(entry.hook, name, entry.source, holder)
                staged[entry.hook, name] = entry

    def get(self, base: type[T], name: str) -> type[T]:
        """The class of that type name, imported if need be. Raises `UnknownTypeError`, `LazyImportError`."""
        point = _point_of_base(base)
        cls = self._loaded.get((point.hook, name))
        if cls is None:
            cls = self.entry(base, name).load()
            self._loaded[point.hook, name] = cls
        return cls

    def entry(self, base: type, name: str) -> Entry:
        """What is filed under that type name, without importing it. Raises `UnknownTypeError`."""
        point = _point_of_base(base)
        entry = self._entries.get(point.hook, {}).get(name)
        if entry is None:
            hint = self._who_provides(point.hook, name) if self._who_provides else None
            raise UnknownTypeError(point, name, sorted(self.entries(base)), hint)
        return entry

    def names(self, base: type) -> list[str]:
        """The main type names of the extension point, sorted."""
        return sorted({entry.name for entry in self._entries.get(_point_of_base(base).hook, {}).values()})

    def entries(self, base: type) -> Mapping[str, Entry]:
        """All type names of the extension point, aliases too, with what they stand for."""
        return MappingProxyType(self._entries.get(_point_of_base(base).hook, {}))

    def entries_of_hook(self, hook: str) -> Mapping[str, Entry]:
        """As `entries`, for a caller who knows the hook and not the base class."""
        return MappingProxyType(self._entries.get(hook, {}))


def _point_of_base(base: type) -> ExtensionPoint:
    point = own_point(base)
    if point is None:
        raise TypeError(f"{base.__name__} is not the base of an extension point; decorate it with @extension_point")
    return point
