"""The authenticators, authorizers and the escalator that the configuration names, made and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from attrs import field, frozen

from nemeton.common.errors import DruidException
from nemeton.config import JsonConfigurator
from nemeton.http.auth import ALLOW_ALL, AuthChain
from nemeton.inject import Injector
from nemeton.spi.auth import Authenticator, Authorizer, Escalator


@frozen
class AuthConfig:
    """``druid.auth.*``: the names of the authenticators in their order, of the authorizers, and the open paths.

    A path in ``unsecuredPaths`` is a full path, or a prefix that ends in ``/*``; it needs no credentials.
    """

    authenticator_chain: list[str] = field(factory=lambda: [ALLOW_ALL])
    authorizers: list[str] = field(factory=lambda: [ALLOW_ALL])
    unsecured_paths: list[str] = field(factory=list)


@frozen
class EscalatorConfig:
    """``druid.escalator.*``: the type of the escalator, whose own options stand beside it."""

    type: str = "noop"


def make_escalator(config: EscalatorConfig, configurator: JsonConfigurator, injector: Injector) -> Escalator:
    """The escalator of a role. Raises an error that names the known types when there is none of this type."""
    escalator: Escalator = _make(Escalator, config.type, "druid.escalator", configurator, injector)
    return escalator


def make_auth_chain(config: AuthConfig, configurator: JsonConfigurator, injector: Injector) -> AuthChain:
    """The chain of a role. Raises a DruidException for names without a type, and for authorizers that are not there."""
    if not config.authenticator_chain:
        raise _wrong("druid.auth.authenticatorChain is empty: nobody could ever be let in")
    authenticators = {
        name: _make_named(Authenticator, name, f"druid.auth.authenticator.{name}", configurator, injector)
        for name in config.authenticator_chain
    }
    authorizers = {
        name: _make_named(Authorizer, name, f"druid.auth.authorizer.{name}", configurator, injector)
        for name in config.authorizers
    }
    _check(authenticators, authorizers)
    return AuthChain(authenticators, authorizers, tuple(config.unsecured_paths))


def _make_named(point: Any, name: str, prefix: str, configurator: JsonConfigurator, injector: Injector) -> Any:
    """An object of the type that ``<prefix>.type`` names; without it, the name is the type."""
    return _make(point, configurator.properties.get(f"{prefix}.type", name), prefix, configurator, injector)


def _make(point: Any, kind: str, prefix: str, configurator: JsonConfigurator, injector: Injector) -> Any:
    cls = configurator.registry.get(point, kind)
    return configurator.configurate(prefix, cls) if attrs.has(cls) else injector.create(cls)


def _check(authenticators: Mapping[str, Authenticator], authorizers: Mapping[str, Authorizer]) -> None:
    for name, authenticator in authenticators.items():
        if authenticator.authorizer_name not in authorizers:
            raise _wrong(
                f"druid.auth.authenticator.{name}.authorizerName is [{authenticator.authorizer_name}], which is not "
                f"in druid.auth.authorizers {sorted(authorizers)}"
            )


def _wrong(message: str) -> DruidException:
    return DruidException(message, error_code="invalidConfiguration", category="INVALID_INPUT", persona="OPERATOR")
