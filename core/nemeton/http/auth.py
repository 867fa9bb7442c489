"""The chain of authenticators, the map of authorizers, and the kinds that core brings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from attrs import field, frozen

from nemeton.common.errors import defensive, forbidden
from nemeton.plugins import json_type
from nemeton.spi.auth import (
    OK,
    Access,
    Action,
    AuthenticationResult,
    Authenticator,
    Authorizer,
    Escalator,
    RequestHead,
    ResourceAction,
)
from nemeton.spi.http import JSON, Response

ALLOW_ALL = "allowAll"
_EVERYBODY = AuthenticationResult(ALLOW_ALL, ALLOW_ALL, ALLOW_ALL)


@json_type("allowAll")
@frozen
class AllowAllAuthenticator(Authenticator):
    """Takes everybody in, as the identity ``allowAll``; the default."""

    authorizer_name: str = ALLOW_ALL

    def authenticate(self, request: RequestHead) -> AuthenticationResult | None:
        """The same identity for all."""
        return _EVERYBODY


@json_type("anonymous")
@frozen
class AnonymousAuthenticator(Authenticator):
    """Gives who comes without credentials an identity; stands last in a chain."""

    name: str = "anonymous"
    identity: str = "defaultUser"
    authorizer_name: str = ALLOW_ALL

    def authenticate(self, request: RequestHead) -> AuthenticationResult | None:
        """The configured identity."""
        return AuthenticationResult(self.identity, self.authorizer_name, self.name)


@json_type("allowAll")
@frozen
class AllowAllAuthorizer(Authorizer):
    """Permits everything; the default."""

    def authorize(self, authenticated: AuthenticationResult, action: ResourceAction) -> Access:
        """Permitted."""
        return OK


@json_type("noop")
@frozen
class NoopEscalator(Escalator):
    """Adds no credentials to internal requests; the default, right where authenticators take everybody in."""

    def headers(self) -> Mapping[str, str]:
        """None."""
        return {}

    def authentication_result(self) -> AuthenticationResult:
        """The identity ``allowAll``."""
        return _EVERYBODY


@frozen
class AuthChain:
    """What a server asks of each request: who is it (authenticators in order), and may it (authorizers by name)."""

    authenticators: Mapping[str, Authenticator] = field(factory=lambda: {ALLOW_ALL: AllowAllAuthenticator()})
    authorizers: Mapping[str, Authorizer] = field(factory=lambda: {ALLOW_ALL: AllowAllAuthorizer()})
    unsecured_paths: Sequence[str] = ()

    def is_unsecured(self, path: str) -> bool:
        """Whether the path is open to anybody by configuration."""
        return any(
            path.startswith(open_path[:-1]) if open_path.endswith("/*") else path == open_path
            for open_path in self.unsecured_paths
        )

    def authenticate(self, request: RequestHead) -> AuthenticationResult | None:
        """The identity from the first authenticator that knows one; None when none does."""
        for authenticator in self.authenticators.values():
            if (result := authenticator.authenticate(request)) is not None:
                return result
        return None

    def authorize(self, authenticated: AuthenticationResult, actions: Sequence[ResourceAction]) -> None:
        """Raise a 403 unless all actions are permitted."""
        access = self.check(authenticated, actions)
        if not access.allowed:
            raise forbidden(access.message)

    def check(self, authenticated: AuthenticationResult, actions: Sequence[ResourceAction]) -> Access:
        """Whether all actions are permitted, the message of a refusal being what callers are told."""
        authorizer = self.authorizers.get(authenticated.authorizer_name)
        if authorizer is None:
            raise defensive(
                f"No authorizer [{authenticated.authorizer_name}] for identity [{authenticated.identity}]; "
                f"druid.auth.authorizers has {sorted(self.authorizers)}"
            )
        for action in actions:
            access = authorizer.authorize(authenticated, action)
            if not access.allowed:
                return Access(allowed=False, message=", ".join(filter(None, ("Unauthorized", access.message))))
        return OK

    def reader(self, authenticated: AuthenticationResult) -> Callable[[str], bool]:
        """A function that tells whether the caller may read a data source; it asks once for each, so use it briefly."""

        @cache
        def may_read(data_source: str) -> bool:
            return self.check(authenticated, [ResourceAction.datasource(data_source, Action.READ)]).allowed

        return may_read

    def unauthenticated(self, host: str) -> Response:
        """The 401 with a challenge for each kind of credentials that would do."""
        challenges = dict.fromkeys(c for a in self.authenticators.values() if (c := a.challenge()) is not None)
        body: dict[str, Any] = {
            "error": "Unauthorized request",
            "errorMessage": None,
            "errorClass": None,
            "host": host,
        }
        headers = {"WWW-Authenticate": ", ".join(challenges)} if challenges else {}
        return Response(401, json=body, headers=headers, media_type=JSON)
