"""The extension framework: marks for hooks and types, the loader, the type registry (Druid's ExtensionsLoader)."""

from nemeton.plugins.errors import ExtensionError
from nemeton.plugins.extensions import Extensions, ExtensionStatus
from nemeton.plugins.installed import GROUP, InstalledExtension, installed_extensions
from nemeton.plugins.lazytype import LazyImportError, LazyType
from nemeton.plugins.loader import load_extensions
from nemeton.plugins.markers import (
    ExtensionPoint,
    HookInfo,
    extension_point,
    hook_info,
    hookimpl,
    hookspec,
    json_type,
    lazy,
    own_point,
    point_of,
    type_names,
)
from nemeton.plugins.registry import Entry, NameClashError, TypeRegistry, UnknownTypeError
from nemeton.plugins.stability import (
    Deprecation,
    NemetonDeprecationWarning,
    RemovedError,
    stability_of,
    stable,
    unstable,
)

__all__ = [
    "GROUP",
    "Deprecation",
    "Entry",
    "ExtensionError",
    "ExtensionPoint",
    "ExtensionStatus",
    "Extensions",
    "HookInfo",
    "InstalledExtension",
    "LazyImportError",
    "LazyType",
    "NameClashError",
    "NemetonDeprecationWarning",
    "RemovedError",
    "TypeRegistry",
    "UnknownTypeError",
    "extension_point",
    "hook_info",
    "hookimpl",
    "hookspec",
    "installed_extensions",
    "json_type",
    "lazy",
    "load_extensions",
    "own_point",
    "point_of",
    "stability_of",
    "stable",
    "type_names",
    "unstable",
]
