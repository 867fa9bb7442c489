"""``nemeton server``: one or more roles from a configuration."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nemeton.cli.options import conf_option, property_option

if TYPE_CHECKING:
    from nemeton.server.process import RoleSettings


@click.command()
@click.argument("roles", nargs=-1, required=True, metavar="ROLE [ROLE …]")
@conf_option
@property_option
def server(roles: tuple[str, ...], folders: tuple[Path, ...], overrides: tuple[str, ...]) -> None:
    """Run one or more roles in this process until SIGTERM or Ctrl-C.

    The roles are coordinator, overlord, historical, broker, middleManager, indexer and router. Druid's own
    configuration trees fit:

    \b
      nemeton server broker --conf conf/druid/cluster/query/broker
      nemeton server coordinator overlord --conf conf/coordinator --conf conf/overlord
    """
    from nemeton.cli.logs import configure_logging

    configure_logging(gathering=True)
    run_until_stopped(role_settings(roles, folders, overrides))


def role_settings(roles: Sequence[str], folders: Sequence[Path], overrides: Sequence[str]) -> list[RoleSettings]:
    """Read the configuration of each role. Raises click.UsageError, `ConfigurationError`, `DruidException`."""
    from nemeton.config import load_properties
    from nemeton.server.process import RoleSettings
    from nemeton.server.roles import find_role

    found = [find_role(role) for role in roles]
    if len(folders) not in (0, 1, len(found)):
        raise click.UsageError(
            f"--conf is given {len(folders)} times for {len(found)} roles: give it once, or once for each"
        )
    places: Sequence[Path | None] = (
        list(folders) if len(folders) == len(found) else [next(iter(folders), None)] * len(found)
    )
    return [
        RoleSettings(role, load_properties(folder, overrides=overrides))
        for role, folder in zip(found, places, strict=True)
    ]


def run_until_stopped(settings: Sequence[RoleSettings]) -> None:
    """Start the roles, stay until a signal comes, stop them. A failed start ends the process with status 1."""
    from nemeton.common.errors import DruidException
    from nemeton.common.heap import calm_collector, settle_heap, share_heaps
    from nemeton.config import ConfigurationError
    from nemeton.inject import InjectionError
    from nemeton.lifecycle import LifecycleError
    from nemeton.plugins import ExtensionError
    from nemeton.server.process import ServerProcess

    calm_collector()
    share_heaps()
    try:
        process = ServerProcess(settings)
        process.start()
    except (ConfigurationError, InjectionError, ExtensionError, DruidException, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    try:
        process.join(once_heard=settle_heap)
    except LifecycleError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
