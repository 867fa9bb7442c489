"""Hooks of authentication, authorization and secrets."""
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from nemeton.plugins import hookspec
from nemeton.spi.hookspecs.types import Types


@hookspec
def authenticators() -> Types:
    """Proofs of identity: `druid.auth.authenticatorChain`, `druid.auth.authenticator.<name>.type`.

    Returns classes of `nemeton.spi.Authenticator`; an object's fields come from `druid.auth.authenticator.<name>.*`.

    Used by: every role, on the event loop of its HTTP server: an authenticator must not block.

    Example::

        @hookimpl
        def authenticators():
            return [lazy("token", "acme.auth:TokenAuthenticator")]
    """


@hookspec
def authorizers() -> Types:
    """Decisions on what an identity may do: `druid.auth.authorizers`, `druid.auth.authorizer.<name>.type`.

    Returns classes of `nemeton.spi.Authorizer`; an object's fields come from `druid.auth.authorizer.<name>.*`.

    Used by: every role, on the event loop and on handler threads.

    Example::

        @hookimpl
        def authorizers():
            return [lazy("opa", "acme.auth:OpaAuthorizer")]
    """


@hookspec
def escalators() -> Types:
    """Identities of the cluster's own requests: `druid.escalator.type`.

    Returns classes of `nemeton.spi.Escalator`; an object's fields come from `druid.escalator.*`.

    Used by: every role, for each request to another role, on any thread.

    Example::

        @hookimpl
        def escalators():
            return [lazy("token", "acme.auth:TokenEscalator")]
    """


@hookspec
def password_providers() -> Types:
    """Sources of secrets: the `type` of a password in the configuration.

    Returns classes of `nemeton.config.passwords.PasswordProvider`.

    Used by: every role, when a connection needs the secret, on any thread; the secret is never logged.

    Example::

        @hookimpl
        def password_providers():
            return [lazy("vault", "acme.vault:VaultPasswordProvider")]
    """
