"""From method and path to a route, with the precedence of JAX-RS: the more literal path wins."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

from attrs import define, field

from nemeton.spi.http import Resource, Route, iter_routes

_PARAMETER = re.compile(r"\{(\w+)(:path)?\}")


class DuplicateRouteError(ValueError):
    """Two handlers claim the same method and path."""


@define
class _Template:
    """All routes of one path."""

    path: str
    pattern: re.Pattern[str]
    by_method: dict[str, Route] = field(factory=dict)

    def route(self, method: str) -> Route | None:
        return self.by_method.get(method) or self.by_method.get("*")


@define
class Match:
    """What a path led to: a route, or the methods that its path would have."""

    route: Route | None
    params: dict[str, str]
    methods: frozenset[str] = frozenset()


class RouteTable:
    """All routes of a role. Made once; asked from the event loop."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        templates: dict[str, _Template] = {}
        claimed: dict[tuple[str, str], Route] = {}
        for route in iter_routes(resources):
            shape = _PARAMETER.sub(lambda m: "{:path}" if m[2] else "{}", route.path)
            other = claimed.setdefault((route.method, shape), route)
            if other is not route:
                raise DuplicateRouteError(f"{route.method} {route.path} is claimed by {other.name} and {route.name}")
            template = templates.setdefault(route.path, _Template(route.path, _compile(route.path)))
            template.by_method[route.method] = route
        self._literal = {t.path: t for t in templates.values() if "{" not in t.path}
        self._patterns = sorted(
            (t for t in templates.values() if "{" in t.path), key=lambda t: _precedence(t.path), reverse=True
        )

    def match(self, method: str, path: str) -> Match:
        """The route for a raw (percent-encoded) path; a slash at the end does not count."""
        path = path.rstrip("/") or "/"
        methods: set[str] = set()
        literal = self._literal.get(path)
        if literal is not None:
            if (route := literal.route(method)) is not None:
                return Match(route, {})
            methods.update(literal.by_method)
        for template in self._patterns:
            found = template.pattern.fullmatch(path)
            if found is None:
                continue
            if (route := template.route(method)) is not None:
                return Match(route, {name: unquote(value) for name, value in found.groupdict().items()})
            methods.update(template.by_method)
        return Match(None, {}, frozenset(methods))


def _compile(path: str) -> re.Pattern[str]:
    pattern, end = "", 0
    for found in _PARAMETER.finditer(path):
        pattern += re.escape(path[end : found.start()])
        pattern += f"(?P<{found[1]}>.*)" if found[2] else f"(?P<{found[1]}>[^/]+)"
        end = found.end()
    return re.compile(pattern + re.escape(path[end:]))


def _precedence(path: str) -> tuple[int, int, int]:
    """More literal characters first, then more parameters, then those that hold one segment only."""
    literal = len(_PARAMETER.sub("", path))
    parameters = _PARAMETER.findall(path)
    return literal, len(parameters), -sum(1 for _, rest in parameters if rest)
