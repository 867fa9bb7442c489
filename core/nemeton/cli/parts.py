"""Parts of a role, for tools that need one of them without a server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nemeton.common.clock import Clock, SystemClock
from nemeton.config import JsonConfigurator, load_properties
from nemeton.inject import Binder, Injector, Module
from nemeton.json import Json
from nemeton.lifecycle import Lifecycle
from nemeton.plugins import Extensions, TypeRegistry, load_extensions
from nemeton.server.builtin import BUILTIN_EXTENSIONS
from nemeton.server.embedded import local_properties


def metadata_injector(folders: Sequence[Path], data_dir: Path, overrides: Sequence[str]) -> Injector:
    """An injector with the metadata store of a configuration, or of a data folder where none is given."""
    from nemeton.metadata.module import MetadataModule

    folder = next(iter(folders), None)
    defaults = local_properties(data_dir) if folder is None else None
    properties = load_properties(folder, defaults=defaults, overrides=overrides)
    extensions = load_extensions(properties, BUILTIN_EXTENSIONS)
    json = Json(extensions.registry)
    return Injector(
        [_Base(extensions, json), MetadataModule(), *extensions.modules_with("metadata_stores")],
        configurator=JsonConfigurator(properties, json),
        lifecycle=Lifecycle("tool"),
        name="tool",
        eagerly=False,
    )


class _Base(Module):
    def __init__(self, extensions: Extensions, json: Json) -> None:
        self.extensions = extensions
        self.json = json

    def configure(self, binder: Binder) -> None:
        binder.bind(Clock, instance=SystemClock())
        binder.bind(Extensions, instance=self.extensions)
        binder.bind(TypeRegistry, instance=self.extensions.registry)
        binder.bind(Json, instance=self.json)
