"""Groups whose commands are known by name and imported when they are run."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence

import click

from nemeton.spi.cli import CliCommand

_GROUP_HELP = {
    "tools": "Look into segments, metadata and configuration.",
    "extensions": "See, check and make extensions.",
    "internal": "What processes of nemeton start themselves.",
}


class LazyGroup(click.Group):
    """A group made from `CliCommand` entries; help is shown from the entries, without importing any command."""

    def __init__(self, name: str, entries: Iterable[CliCommand], *, depth: int = 0, help: str | None = None) -> None:  # noqa: A002 - click's word
        super().__init__(name, help=help or _GROUP_HELP.get(name))
        self._depth = depth
        self._entries = list(entries)

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Names in the order in which the hook gave them, internal ones left out."""
        return [name for name in dict.fromkeys(self._name(entry) for entry in self._entries) if name != "internal"]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the command, or make the group of that name."""
        below = [entry for entry in self._entries if self._name(entry) == name]
        if not below:
            below = [entry for entry in self.unknown(ctx, name) if self._name(entry) == name]
        if not below:
            return None
        if len(below[0].path.split()) > self._depth + 1:
            return LazyGroup(name, below, depth=self._depth + 1)
        return load_command(below[0])

    def unknown(self, _ctx: click.Context, _name: str) -> Sequence[CliCommand]:
        """Where else commands may come from, asked when a name is not known."""
        return ()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the entries alone."""
        rows = []
        for name in self.list_commands(ctx):
            below = [entry for entry in self._entries if self._name(entry) == name]
            nested = len(below[0].path.split()) > self._depth + 1
            rows.append((name, _GROUP_HELP.get(name, "") if nested else below[0].help))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _name(self, entry: CliCommand) -> str:
        return entry.path.split()[self._depth]


def load_command(entry: CliCommand) -> click.Command:
    """Import a command. Raises click.ClickException if the dotted name leads to none."""
    module, _, attribute = entry.target.partition(":")
    try:
        command = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise click.ClickException(f"Command [{entry.path}] cannot be loaded from [{entry.target}]: {error}") from error
    if not isinstance(command, click.Command):
        raise click.ClickException(f"Command [{entry.path}]: [{entry.target}] is not a click command")
    return command
