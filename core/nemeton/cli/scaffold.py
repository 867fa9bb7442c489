"""Makes the package of a new extension from the templates beside this module: what all kinds share, and one kind.

The template is `string.Template` text with ``@@{name}`` for what is filled in (Python and setup.cfg use ``$`` and ``%``
themselves); file names are filled in the same way. See docs/design/extension-template.md for why this is no copier.
"""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import click

from nemeton.spi import API

_SUFFIX = ".tmpl"


class _Template(Template):
    delimiter = "@@"


KINDS = ("worker-select-strategy", "aggregator", "expression-function", "filter", "query-type")
"""What an extension can begin with; the first unless something else is asked for."""


def make_package(name: str, into: Path, kind: str = KINDS[0]) -> Path:
    """Write the package of extension ``name`` to a new folder of that name below ``into``; return the folder.

    Raises click.ClickException for a name that pip cannot have and for a folder that is there already.
    """
    _check_name(name)
    folder = into / name
    if folder.exists():
        raise click.ClickException(f"[{folder}] is there already; choose another name, or another folder with --into.")
    values = _values(name)
    templates = resources.files("nemeton.cli") / "templates"
    for path, source in (*_files(templates / "common", ()), *_files(templates / "kinds" / kind, ())):
        target = folder.joinpath(*(_Template(part).substitute(values) for part in path))
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8")
        target.with_name(target.name.removesuffix(_SUFFIX)).write_text(_Template(text).substitute(values), "utf-8")
    return folder


def _check_name(name: str) -> None:
    module = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or keyword.iskeyword(module):
        raise click.ClickException(
            f"[{name}] cannot be the name of an extension: lower-case letters and digits in words joined by '-', "
            "for example acme-fair-share."
        )
    if module in sys.stdlib_module_names or module == "nemeton":
        raise click.ClickException(
            f"[{name}] cannot be the name of an extension: its module would hide {module}, which others import."
        )


def _values(name: str) -> Mapping[str, str]:
    words = name.split("-")
    major = int(API.partition(".")[0])
    return {
        "name": name,
        "module": "_".join(words),
        "class_name": "".join(word.title() for word in words),
        "type_name": words[0] + "".join(word.title() for word in words[1:]),
        "function_name": "_".join(words),
        "sql_name": "_".join(words).upper(),
        "dot": ".",  # packaging leaves files out whose names start with a dot
        "api": f">={API},<{major + 1}",
    }


def _files(folder: Traversable, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, (*path, entry.name))
        elif entry.name.endswith(_SUFFIX):
            yield (*path, entry.name), entry
