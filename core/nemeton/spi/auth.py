"""Who asks, and what they may do: the abstract types of authentication and authorization."""

from __future__ import annotations

import abc
import enum
from collections.abc import Mapping
from typing import Any, Protocol

from attrs import field, frozen

from nemeton.plugins import extension_point


class Action(enum.StrEnum):
    """What a request wants to do with a resource."""

    READ = "READ"
    WRITE = "WRITE"


@frozen
class ResourceAction:
    """An action on a named thing of a type: ``DATASOURCE``, ``CONFIG``, ``STATE``, ``SYSTEM_TABLE``, ``VIEW`` …

    The types are open, as in Druid: an extension may check for types of its own.
    """

    type: str
    name: str
    action: Action

    @classmethod
    def datasource(cls, name: str, action: Action) -> ResourceAction:
        """The action on a data source."""
        return cls("DATASOURCE", name, action)

    @classmethod
    def config(cls, action: Action) -> ResourceAction:
        """The action on the cluster's configuration."""
        return cls("CONFIG", "CONFIG", action)

    @classmethod
    def state(cls, action: Action) -> ResourceAction:
        """The action on the cluster's state."""
        return cls("STATE", "STATE", action)

    def __str__(self) -> str:
        return f"{self.action} on {self.type} [{self.name}]"


@frozen
class AuthenticationResult:
    """A proven identity: who it is, which authorizer decides for it, and which authenticator proved it."""

    identity: str
    authorizer_name: str
    authenticated_by: str | None = None
    context: Mapping[str, Any] = field(factory=dict)


@frozen
class Access:
    """An authorizer's decision. The message of a refusal is shown to the caller, after ``Unauthorized, ``."""

    allowed: bool
    message: str = ""

    def __bool__(self) -> bool:
        return self.allowed


OK = Access(allowed=True)
"""The decision that permits."""


class RequestHead(Protocol):
    """The part of a request that an authenticator sees: everything but the body."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names are lower case."""
    client: str | None
    """The address of the peer, or None when it is not known."""


@extension_point(hook="authenticators", name="authenticator")
class Authenticator(abc.ABC):
    """Proves the identity of who sends a request (``druid.auth.authenticatorChain``).

    Options come from ``druid.auth.authenticator.<name>.*``. Called from the event loop: it must not block.
    """

    authorizer_name: str
    """The authorizer that decides for the identities that this authenticator proves."""

    @abc.abstractmethod
    def authenticate(self, request: RequestHead) -> AuthenticationResult | None:
        """The identity, or None when the request carries no credentials of this kind (the next in the chain is asked).

        Raise `nemeton.common.errors.unauthorized` when it carries credentials of this kind that are wrong: the chain
        ends there.
        """

    def challenge(self) -> str | None:
        """The ``WWW-Authenticate`` value of a 401 answer, or None for no challenge."""
        return None


@extension_point(hook="authorizers", name="authorizer")
class Authorizer(abc.ABC):
    """Decides what an identity may do (``druid.auth.authorizers``; options: ``druid.auth.authorizer.<name>.*``)."""

    @abc.abstractmethod
    def authorize(self, authenticated: AuthenticationResult, action: ResourceAction) -> Access:
        """The decision on one action. Called from the event loop and from handler threads: quick, and thread-safe."""


@extension_point(hook="escalators", name="escalator", default="noop")
class Escalator(abc.ABC):
    """Gives the cluster's own requests an identity (``druid.escalator.type``)."""

    @abc.abstractmethod
    def headers(self) -> Mapping[str, str]:
        """The headers that a request from one service to another carries; asked anew for each request."""

    @abc.abstractmethod
    def authentication_result(self) -> AuthenticationResult:
        """The identity of work that the cluster does on its own behalf."""
