"""``nemeton tools validate-config``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from nemeton.cli.options import conf_option, property_option


@click.command("validate-config")
@click.argument("roles", nargs=-1, required=True, metavar="ROLE [ROLE …]")
@conf_option
@property_option
def validate_config(roles: tuple[str, ...], folders: tuple[Path, ...], overrides: tuple[str, ...]) -> None:
    """Check the configuration of roles without starting anything; every fault is told with its file and line."""
    from nemeton.cli.server import role_settings
    from nemeton.common.errors import DruidException
    from nemeton.config import ConfigurationError
    from nemeton.inject import InjectionError
    from nemeton.plugins import ExtensionError
    from nemeton.server.process import ServerProcess

    try:
        ignored = ServerProcess(role_settings(roles, folders, overrides)).ignored
    except (ConfigurationError, InjectionError, ExtensionError, DruidException) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    for name in ignored:
        click.echo(f"{name}: known to Druid, of no meaning here")
    click.echo("The configuration is right.")
