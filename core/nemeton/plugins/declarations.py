"""What an extension says of itself: the API it needs, the extensions it requires, the types it provides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from nemeton.plugins.errors import ExtensionError


@frozen
class Declarations:
    """Read from the entry point's module or object: ``NEMETON_API``, ``NEMETON_REQUIRES``, ``NEMETON_PROVIDES``.

    ``api`` is a version specifier (``">=1.0,<2"``), ``requires`` names of extensions, ``provides`` hook → type names.
    """

    api: str | None = None
    requires: tuple[str, ...] = ()
    provides: Mapping[str, Sequence[str]] = field(factory=dict)

    @classmethod
    def of(cls, extension: str, plugin: Any) -> Declarations:
        """Read and check the declarations. Raises `ExtensionError`."""
        api = getattr(plugin, "NEMETON_API", None)
        requires = getattr(plugin, "NEMETON_REQUIRES", ())
        if isinstance(requires, str) or not all(isinstance(name, str) for name in requires):
            raise ExtensionError(
                extension,
                f"NEMETON_REQUIRES is {requires!r}, not a sequence of extension names",
                'Write it as NEMETON_REQUIRES = ("other-extension",)',
            )
        return cls(api, tuple(requires), getattr(plugin, "NEMETON_PROVIDES", {}))

    def check_api(self, extension: str, api: str) -> None:
        """Raise `ExtensionError` unless this nemeton's API version is one that the extension works with."""
        if self.api is None:
            return
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        mend = 'Write it as a version specifier, for example NEMETON_API = ">=1.0,<2"'
        if not isinstance(self.api, str):
            raise ExtensionError(extension, f"NEMETON_API is {self.api!r}, not a string", mend)
        try:
            wanted = SpecifierSet(self.api)
        except InvalidSpecifier:
            raise ExtensionError(extension, f"NEMETON_API {self.api!r} cannot be parsed", mend) from None
        if not wanted.contains(api, prereleases=True):
            raise ExtensionError(
                extension,
                f"it needs the extension API {self.api}, and this nemeton has {api}",
                "Install a version of nemeton or of the extension that fits the other",
            )


def in_dependency_order(requires: Mapping[str, Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Names so ordered that each comes after what it requires, and the cycles (each as ``[a, b, a]``) left out.

    Otherwise the given order is kept. Names required but not among the keys are ignored. What hangs on a cycle is
    ordered as if the cycle were not there.
    """
    ordered: list[str] = []
    cycles: list[list[str]] = []
    state: dict[str, str] = {}

    def visit(name: str, chain: list[str]) -> None:
        if state.get(name) == "done":
            return
        if name in chain:
            cycles.append([*chain[chain.index(name) :], name])
            return
        for required in requires[name]:
            if required in requires:
                visit(required, [*chain, name])
        state[name] = "done"
        ordered.append(name)

    for name in requires:
        visit(name, [])
    in_cycle = {name for cycle in cycles for name in cycle}
    return [name for name in ordered if name not in in_cycle], cycles
