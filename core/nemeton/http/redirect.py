"""Sending requests that only the leader can answer to the leader."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from attrs import field, frozen

from nemeton.spi.http import Response


def _as_set(paths: Iterable[str]) -> frozenset[str]:
    return frozenset(paths)


@frozen
class LeaderRedirect:
    """A service's rule (Druid's RedirectInfo): below `prefix`, only the leader answers, but for `local_paths`.

    Bind as part of ``bind_set(LeaderRedirect)``. When two rules match a path, the longer prefix counts.
    """

    prefix: str
    is_leader: Callable[[], bool]
    leader: Callable[[], str | None]
    """The leader's base URL, ``http://host:port``."""
    local_paths: Collection[str] = field(default=(), converter=_as_set)

    def applies(self, path: str) -> bool:
        """Whether the rule is about this path."""
        return path.startswith(self.prefix) and path.rstrip("/") not in self.local_paths

    def response(self, path: str, query_string: str) -> Response | None:
        """None for the leader itself; elsewhere a 307 to the leader, or 503 while there is none."""
        if self.is_leader():
            return None
        leader = self.leader()
        if not leader:
            return Response(503)
        return Response(307, headers={"Location": f"{leader}{path}{'?' if query_string else ''}{query_string}"})


def redirect_for(rules: Sequence[LeaderRedirect], path: str, query_string: str) -> Response | None:
    """What the rule with the longest prefix says of the request."""
    matching = [rule for rule in rules if rule.applies(path)]
    if not matching:
        return None
    return max(matching, key=lambda rule: len(rule.prefix)).response(path, query_string)
