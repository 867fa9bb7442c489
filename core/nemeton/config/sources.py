"""Where properties come from: files in layers, the environment, ``-D``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import define, field

from nemeton.config.interpolation import InterpolationError, interpolate
from nemeton.config.problems import ConfigurationError, Problem
from nemeton.config.properties import Origin, Properties

COMMON_FOLDER = "_common"
COMMON_FILE = "common.runtime.properties"
RUNTIME_FILE = "runtime.properties"
_ENVIRONMENT_PREFIX = "druid_"


@define
class _Layers:
    values: dict[str, str] = field(factory=dict)
    origins: dict[str, Origin] = field(factory=dict)
    problems: list[Problem] = field(factory=list)

    def put(self, key: str, value: str, origin: Origin) -> None:
        self.values[key] = value
        self.origins[key] = origin


def load_properties(
    folder: Path | None = None,
    *,
    defaults: Mapping[str, str] | None = None,
    overrides: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Properties:
    """Read a role's configuration. Later layers win: defaults, common file, role's file, environment, ``-D``.

    `folder` holds a ``runtime.properties``; ``_common/common.runtime.properties`` is looked for in it and in up to
    three parents. Environment variables count that start with ``druid_``, with ``_`` for each dot (as in Druid's
    Docker image). `overrides` are ``key=value`` texts. Raises `ConfigurationError` with all faults found.
    """
    environment = os.environ if environment is None else environment
    layers = _Layers()
    for key, value in (defaults or {}).items():
        layers.put(key, value, Origin("default"))
    if folder is not None:
        _read_folder(folder, layers)
    for name in sorted(environment):
        if name.startswith(_ENVIRONMENT_PREFIX):
            layers.put(name.replace("_", "."), environment[name], Origin(f"environment variable {name}"))
    system = _read_overrides(overrides, layers)
    _interpolate(layers, environment, system)
    if layers.problems:
        raise ConfigurationError(layers.problems)
    return Properties(layers.values, layers.origins)


def _read_folder(folder: Path, layers: _Layers) -> None:
    if not folder.is_dir():
        layers.problems.append(
            Problem(None, Origin("--conf"), f"[{folder}] is not a folder; name the folder that holds {RUNTIME_FILE}")
        )
        return
    common = next((path for path in _common_files(folder) if path.is_file()), None)
    runtime = folder / RUNTIME_FILE
    if not runtime.is_file() and common is None:
        layers.problems.append(
            Problem(
                None, Origin("--conf"), f"[{folder}] holds no {RUNTIME_FILE} and has no {COMMON_FOLDER}/{COMMON_FILE}"
            )
        )
    for path in (common, runtime if runtime.is_file() else None):
        if path is not None:
            _read_file(path, layers)


def _common_files(folder: Path) -> Iterable[Path]:
    resolved = folder.resolve()
    for place in (resolved, *list(resolved.parents)[:3]):
        yield place / COMMON_FOLDER / COMMON_FILE


def _read_file(path: Path, layers: _Layers) -> None:
    import javaproperties

    try:
        text = path.read_text(encoding="utf-8")
        line = 1
        for piece in javaproperties.parse(text):
            if isinstance(piece, javaproperties.KeyValue):
                layers.put(piece.key, piece.value, Origin(str(path), line))
            line += piece.source.count("\n")
    except (OSError, ValueError) as error:
        layers.problems.append(Problem(None, Origin(str(path)), f"cannot be read: {error}"))


def _read_overrides(overrides: Iterable[str], layers: _Layers) -> dict[str, str]:
    """Put ``-D`` texts into the layers; those that are no druid.* names also serve ``${sys:…}``."""
    system = {}
    for text in overrides:
        key, separator, value = text.partition("=")
        if not separator or not key.strip():
            layers.problems.append(Problem(None, Origin("-D"), f"[{text}] is not of the form key=value"))
            continue
        layers.put(key.strip(), value.strip(), Origin("-D"))
        system[key.strip()] = value.strip()
    return system


def _interpolate(layers: _Layers, environment: Mapping[str, str], system: Mapping[str, str]) -> None:
    for key, value in layers.values.items():
        if "${" not in value:
            continue
        try:
            layers.values[key] = interpolate(value, environment, system)
        except InterpolationError as error:
            layers.problems.append(Problem(key, layers.origins[key], str(error)))
