"""Dependency injection as Guice has it: modules bind keys, the graph is checked, then objects are built on demand.

dependency-injector's providers do the building; types as keys, choices by property, sets, maps, configuration, and
the checks are ours, since that library has none of them.
"""

from nemeton.inject.binder import Binder, Module, Scope
from nemeton.inject.errors import InjectionError
from nemeton.inject.injector import Injector
from nemeton.inject.keys import Key, Named, Provider
from nemeton.inject.overrides import override

__all__ = ["Binder", "InjectionError", "Injector", "Key", "Module", "Named", "Provider", "Scope", "override"]
