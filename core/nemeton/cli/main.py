"""The entry point of the ``nemeton`` program."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from nemeton.cli.commands import LazyGroup
from nemeton.common.errors import DruidException
from nemeton.config.problems import ConfigurationError
from nemeton.spi.cli import CliCommand

_HELP = """Apache Druid's architecture in Python, opened up as a plugin framework.

Start with `nemeton quickstart`; `nemeton COMMAND --help` says more of each command. Installed extensions may bring
further commands: `nemeton extensions list` names them."""


class _Root(LazyGroup):
    """The top level. Extensions are imported only when a name is asked for that core does not have."""

    def unknown(self, _ctx: click.Context, _name: str) -> Sequence[CliCommand]:
        from nemeton.plugins import load_extensions

        return [entry for entry in load_extensions({}, []).collect("cli_commands") if isinstance(entry, CliCommand)]


def _core_commands() -> list[CliCommand]:
    import pluggy

    from nemeton.cli import extension
    from nemeton.spi import hookspecs

    manager = pluggy.PluginManager("nemeton")
    manager.add_hookspecs(hookspecs)
    manager.register(extension)
    return [entry for entries in manager.hook.cli_commands() for entry in entries]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program; errors that a user can mend are printed without a traceback and end with status 1."""
    root = _Root("nemeton", _core_commands(), help=_HELP)
    try:
        root.main(args=list(arguments) if arguments is not None else None, prog_name="nemeton")
    except (ConfigurationError, DruidException) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
