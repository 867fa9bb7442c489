"""How the framework itself is extended: modules, HTTP, the command line."""
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nemeton.plugins import hookspec

if TYPE_CHECKING:
    from nemeton.inject import Module
    from nemeton.spi.cli import CliCommand


@hookspec(kind="modules", stability="stable")
def druid_modules() -> Sequence[Module]:
    """Inject Modules, which can bind, replace and start anything (Druid's DruidModule).

    Returns objects or classes of `nemeton.inject.Module`. A Module with a class attribute ``roles`` (a frozenset of
    role names such as ``"overlord"``) is installed in those roles only. Take a narrow hook where there is one.

    Used by: all roles, when a role's injector is made; ``configure`` runs on the main thread before anything starts.

    Example::

        class FairShareModule(Module):
            roles = frozenset({"overlord"})

            def configure(self, binder: Binder) -> None:
                binder.bind_config("druid.fairshare", FairShareConfig)

        @hookimpl
        def druid_modules():
            return [FairShareModule()]
    """


@hookspec(kind="objects")
def http_resources(role: str) -> Sequence[type]:
    """HTTP resources that a role serves beside its own.

    `role` is the role's name, such as `"broker"`. Returns classes of `nemeton.spi.Resource`, made by the role's
    injector; each of their routes has to say what access it wants.

    Used by: every role; the hook is called once per role, when its HTTP application is made; handlers run on a thread
    pool, or, when they are `async def`, on the event loop.

    Example::

        class FairShareResource(Resource):
            @route("GET", "/acme/fairShare", access=state_read)
            def show(self, request: Request) -> dict[str, int]:
                return {"maxPerDatasource": 4}

        @hookimpl
        def http_resources(role):
            return [FairShareResource] if role == "overlord" else []
    """


@hookspec(kind="objects")
def cli_commands() -> Sequence[CliCommand]:
    """Commands of the `nemeton` program.

    Returns `nemeton.spi.CliCommand` objects, which name the click command and do not import it.

    Used by: the `nemeton` program, when a command is looked up that core does not have.

    Example::

        @hookimpl
        def cli_commands():
            return [CliCommand("acme-check", "acme.cli:check", "Check the acme store.")]
    """
