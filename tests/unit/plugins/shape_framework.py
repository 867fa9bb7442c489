"""A small framework with hooks of every kind, so that the loader is tested apart from nemeton's own hooks."""

from __future__ import annotations

from nemeton.plugins import extension_point, hookspec

API = "1.4"


@extension_point(hook="shapes", name="shape", default="dot")
class Shape:
    """Base of shapes."""


@extension_point(hook="colours", name="colour")
class Colour:
    """Base of colours."""


@hookspec
def shapes():
    """Shapes."""


@hookspec(roles=("painter",))
def colours():
    """Colours; only painters know them."""


@hookspec(kind="modules")
def druid_modules():
    """Modules."""


@hookspec(kind="objects")
def greetings(role):
    """Greetings."""
