"""Writes the hook reference of the manual from the hookspecs.

``python -m nemeton.spi.reference > docs/extensions/hooks.md``
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nemeton
from nemeton.plugins import hook_info
from nemeton.plugins.check import hook_specs
from nemeton.spi import hookspecs

_WHEN = {
    "types": "once per process, at start-up, on the main thread; a class given by `lazy` is imported when it is needed",
    "modules": "once per process, at start-up, on the main thread",
    "objects": "when the part that uses it asks",
}

_INTRODUCTION = """\
# Hook reference

This page is made from `nemeton/spi/hookspecs/` by `python -m nemeton.spi.reference`; do not edit it.

The extension API has version **{api}**. A *stable* hook changes incompatibly only with the major number; an *unstable*
one may change with any release. Hooks of kind *types* return classes, marked with `@json_type`, or
`lazy("name", "module:Class")`; hooks of kind *modules* return inject Modules; hooks of kind *objects* return what their
text says. {deprecated}

| hook | what it brings | stability |
|---|---|---|
{rows}
"""


def extension_points() -> dict[str, str]:
    """Hook → dotted name of the abstract base whose members it brings, read from the source of all rooms."""
    root = Path(nemeton.__path__[0])
    return {
        hook: ".".join(["nemeton", *path.relative_to(root).with_suffix("").parts, name])
        for path in sorted(root.rglob("*.py"))
        if "@extension_point(" in (text := path.read_text(encoding="utf-8"))
        for hook, name in _points_in(ast.parse(text))
    }


def _points_in(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        for call in getattr(node, "decorator_list", ()):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "extension_point":
                (hook,) = (ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg == "hook")
                yield hook, node.name  # type: ignore[attr-defined]


def reference() -> str:
    """The page, in Markdown."""
    specs = hook_specs(hookspecs)
    bases = extension_points()
    rows = "\n".join(
        f"| [`{name}`](#{name}) | {_summary(spec)} | {hook_info(spec).stability} |" for name, spec in specs.items()
    )
    told = [deprecation.message() for deprecation in hookspecs.DEPRECATED_HOOKS.values()]
    head = _INTRODUCTION.format(api=hookspecs.API, rows=rows, deprecated=" ".join(told) or "No hook is deprecated.")
    return head + "".join(_section(name, spec, bases.get(name)) for name, spec in specs.items())


def _summary(spec: Callable[..., Any]) -> str:
    return (inspect.getdoc(spec) or "").splitlines()[0].rstrip(".")


def _section(name: str, spec: Callable[..., Any], base: str | None) -> str:
    info = hook_info(spec)
    text, _, example = (inspect.getdoc(spec) or "").partition("Example::")
    arguments = ", ".join(inspect.signature(spec).parameters)
    facts = [f"*Kind*: {info.kind}, {info.stability}.", f"*Called*: {_WHEN[info.kind]}."]
    if base is not None:
        facts.insert(1, f"*Base class*: `{base}`.")
    if info.roles is not None:
        facts.append(f"*Only in the roles*: {', '.join(sorted(info.roles))}.")
    return (
        f"\n## {name}\n\n`{name}({arguments})`\n\n{text.strip().replace('``', '`')}\n\n{' '.join(facts)}\n\n"
        f"```python\n{textwrap.dedent(example).strip()}\n```\n"
    )


if __name__ == "__main__":
    print(reference(), end="")
