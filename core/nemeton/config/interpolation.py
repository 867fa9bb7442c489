"""``${env:NAME}``, ``${sys:name}`` and ``${file:UTF-8:path}`` in values, as Druid's configuration has them."""

from __future__ import annotations

import getpass
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

_REFERENCE = re.compile(r"\$\{(env|sys|file):((?:[^{}]|\{[^{}]*\})*)\}")


class InterpolationError(ValueError):
    """A reference in a value leads nowhere; the message says which and what would be right."""


def interpolate(value: str, environment: Mapping[str, str], system: Mapping[str, str]) -> str:
    """Replace the references in one value; ``:-`` gives a default. Raises `InterpolationError`."""

    def resolve(match: re.Match[str]) -> str:
        kind, rest = match.groups()
        name, default_given, default = rest.partition(":-")
        try:
            return _LOOKUPS[kind](name, environment, system)
        except LookupError as error:
            if default_given:
                return default
            raise InterpolationError(
                f"{match.group(0)}: {error.args[0]}; set it, or give a default as {_default(kind, name)}"
            ) from None

    return _REFERENCE.sub(resolve, value)


def _default(kind: str, name: str) -> str:
    return "${" + f"{kind}:{name}:-default" + "}"


def _env(name: str, environment: Mapping[str, str], _system: Mapping[str, str]) -> str:
    if name not in environment:
        raise LookupError(f"environment variable [{name}] is not set")
    return environment[name]


def _sys(name: str, _environment: Mapping[str, str], system: Mapping[str, str]) -> str:
    known = {**system_properties(), **system}
    if name not in known:
        raise LookupError(f"system property [{name}] is not known here")
    return known[name]


def _file(name: str, _environment: Mapping[str, str], _system: Mapping[str, str]) -> str:
    encoding, separator, path = name.partition(":")
    if not separator:
        encoding, path = "UTF-8", name
    try:
        return Path(path).read_text(encoding=encoding).rstrip("\n")
    except (OSError, UnicodeError, LookupError) as error:
        raise LookupError(f"file [{path}] cannot be read: {error}") from None


_LOOKUPS: dict[str, Callable[[str, Mapping[str, str], Mapping[str, str]], str]] = {
    "env": _env,
    "sys": _sys,
    "file": _file,
}


def system_properties() -> dict[str, str]:
    """The Java system properties that configurations refer to, answered from this process."""
    return {
        "user.home": str(Path.home()),
        "user.dir": os.getcwd(),
        "user.name": getpass.getuser() if hasattr(os, "getuid") else "",
        "user.timezone": "UTC",
        "java.io.tmpdir": tempfile.gettempdir(),
        "os.name": sys.platform,
        "file.separator": os.sep,
        "path.separator": os.pathsep,
        "line.separator": "\n",
    }
