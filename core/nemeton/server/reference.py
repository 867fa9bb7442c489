"""Writes the reference of properties from the config classes: ``python -m nemeton.server.reference``."""

from __future__ import annotations

import enum
import inspect
import json
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from nemeton.config.configurator import SHOWN_DEFAULT, fields_of, property_name
from nemeton.inject import Binder
from nemeton.inject.binder import ChoiceBinding, ConfigBinding
from nemeton.plugins import Extensions, load_extensions
from nemeton.plugins.markers import own_point
from nemeton.server.builtin import BUILTIN_EXTENSIONS
from nemeton.server.roles import ROLES

_HEAD = """<!-- Made by `python -m nemeton.server.reference`; do not edit. -->
# Properties

Every property that core reads. Extensions add their own. [configuration.md](configuration.md) says how they are
written, and which defaults differ from Druid's.
"""


def render() -> str:
    """The page as Markdown."""
    extensions = load_extensions({"druid.extensions.loadList": "[]"}, BUILTIN_EXTENSIONS)
    configs: dict[tuple[str, type], ConfigBinding] = {}
    choices: dict[str, ChoiceBinding] = {}
    for binder in _configured(extensions):
        for config in binder.elements.configs:
            configs.setdefault((config.prefix, config.key.type), config)
        for choice in binder.elements.choices:
            choices.setdefault(choice.property, choice)
    parts = [_HEAD, "## Which implementation\n", "| property | possible values | default |", "|---|---|---|"]
    parts += [_choice_row(choices[name], extensions) for name in sorted(choices)]
    for prefix, config_class in sorted(configs, key=lambda key: (key[0], key[1].__name__)):
        parts += ["", *_config_section(prefix, config_class)]
    return "\n".join(parts) + "\n"


def _configured(extensions: Extensions) -> Iterator[Binder]:
    for role in ROLES.values():
        binder = Binder()
        for module in role.modules():
            binder.install(module)
        yield binder


def _choice_row(choice: ChoiceBinding, extensions: Extensions) -> str:
    names = extensions.registry.names(choice.key.type) if own_point(choice.key.type) else []
    default = f"that of `{choice.follows}`, else " if choice.follows else ""
    return f"| `{choice.property}` | {', '.join(f'`{name}`' for name in names)} | {default}{_code(choice.default)} |"


def _config_section(prefix: str, config_class: type) -> Iterator[str]:
    yield f"## `{prefix}.*`\n"
    summary = (inspect.getdoc(config_class) or "").split("\n\n")[0].replace("\n", " ").replace("``", "`")
    if summary:
        yield f"{summary}\n"
    yield "| property | type | default |"
    yield "|---|---|---|"
    for field in fields_of(config_class):
        yield f"| `{prefix}.{property_name(field)}` | {_type(field.type)} | {_default(field)} |"


def _type(wanted: Any) -> str:
    arguments = [argument for argument in typing.get_args(wanted) if argument is not type(None)]
    if typing.get_origin(wanted) in (list, tuple, set, frozenset):
        return "JSON list"
    if typing.get_origin(wanted) is dict:
        return "JSON object"
    if arguments:
        return " or ".join(_type(argument) for argument in arguments)
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return ", ".join(f"`{member.value}`" for member in wanted)
    names = {
        "str": "text",
        "int": "integer",
        "float": "number",
        "bool": "`true` or `false`",
        "HumanReadableBytes": "bytes",
    }
    name = getattr(wanted, "__name__", str(wanted))
    return names.get(name, name[0].lower() + name[1:])


def _default(field: attrs.Attribute[Any]) -> str:
    if field.default is attrs.NOTHING:
        return "(required)"
    if SHOWN_DEFAULT in field.metadata:
        return str(field.metadata[SHOWN_DEFAULT])
    value = field.default
    if isinstance(value, attrs.Factory):  # type: ignore[arg-type]
        value = value.factory() if not value.takes_self else "…"  # type: ignore[union-attr]
    if isinstance(value, enum.Enum):
        value = value.value
    return _code(value)


def _code(value: Any) -> str:
    if value is None or value == "":
        return ""
    shown = json.dumps(value) if isinstance(value, bool | list | dict) else str(value)
    home = str(Path.home())
    return f"`{shown.replace(home, '~').replace('|', chr(92) + '|')}`"


if __name__ == "__main__":
    print(render(), end="")
