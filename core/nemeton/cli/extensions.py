"""``nemeton extensions``: see, check and make extensions."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nemeton.cli.options import conf_option, property_option
from nemeton.cli.scaffold import KINDS, make_package

if TYPE_CHECKING:
    from logging import LogRecord

    from nemeton.plugins import Extensions, ExtensionStatus


@click.command("list")
@conf_option
@property_option
@click.option("--core", is_flag=True, help="Show nemeton's own parts too.")
def list_extensions(folders: tuple[Path, ...], overrides: tuple[str, ...], core: bool) -> None:
    """Show the installed extensions: loaded or not, their hooks, and the types that they registered.

    The load list (druid.extensions.loadList) is taken from --conf or -D.
    """
    shown = [s for s in _load(folders, overrides).statuses if core or not s.is_core or s.error is not None]
    if not shown:
        click.echo("No extensions are installed; `nemeton extensions new NAME` makes one.")
    for status in shown:
        _show(status)


def _show(status: ExtensionStatus) -> None:
    version = f"{status.distribution} {status.version}".strip()
    click.echo(f"{status.name}  ({version})  {status.state}")
    if status.error is not None:
        click.echo(f"    error: {status.error}")
    if status.requires:
        click.echo(f"    requires: {', '.join(status.requires)}")
    for hook in status.hooks:
        names = ", ".join(status.registered.get(hook, ()))
        click.echo(f"    {hook}{f': {names}' if names else ''}")


@click.command()
@click.argument("name", required=False)
@conf_option
@property_option
def doctor(name: str | None, folders: tuple[Path, ...], overrides: tuple[str, ...]) -> None:
    """Say what is wrong with the extension NAME, or with all of them, and with the packages that they need."""
    from nemeton.plugins.doctor import environment_problems, examine

    extensions = _load(folders, overrides)
    statuses = [status for status in extensions.statuses if name is None or status.name == name]
    if not statuses:
        known = ", ".join(status.name for status in extensions.statuses if not status.is_core) or "none"
        raise click.ClickException(f"No extension [{name}] is installed. Installed are: {known}.")
    problems = [problem for status in statuses for problem in examine(extensions, status)]
    problems += environment_problems(["nemeton", *(status.distribution for status in statuses)])
    for problem in problems:
        click.echo(f"{problem.extension}: {problem.cause}. {problem.mend}.")
    if problems:
        sys.exit(1)
    for status in statuses:
        if name is not None and status.state == "not loaded":
            click.echo(f"{name}: the load list does not name it, so that it is not loaded and was not examined.")
            return
    count = sum(not s.is_core for s in statuses)
    all_of_them = f"{count} extension{'' if count == 1 else 's'} and nemeton's own parts"
    click.echo(f"Nothing is wrong with {all_of_them if name is None else name}.")


@click.command()
@click.argument("name")
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), default=".", help="Where its folder is made.")
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default=KINDS[0],
    show_default=True,
    help="What it begins with.",
)
def new(name: str, into: Path, kind: str) -> None:
    """Make the package of a new extension NAME: one hook, tests that pass, a README."""
    folder = make_package(name, into, kind)
    click.echo(f"Made {folder}. To go on:\n\n    cd {folder}\n    pip install -e '.[test]'\n    pytest\n")


def _load(folders: tuple[Path, ...], overrides: tuple[str, ...]) -> Extensions:
    """All extensions, broken ones as statuses, which are shown; so the loader need not log them as well."""
    import logging

    from nemeton.plugins import load_extensions
    from nemeton.server.builtin import BUILTIN_EXTENSIONS

    log = logging.getLogger("nemeton.plugins.loader")
    log.addFilter(_is_not_shown)
    try:
        return load_extensions(_properties(folders, overrides), BUILTIN_EXTENSIONS, strict=False)
    finally:
        log.removeFilter(_is_not_shown)


def _is_not_shown(record: LogRecord) -> bool:
    return not record.msg.startswith("Left out")


def _properties(folders: tuple[Path, ...], overrides: tuple[str, ...]) -> Mapping[str, str]:
    from nemeton.config import load_properties

    if len(folders) > 1:
        raise click.UsageError("--conf is given more than once; extensions are looked at for one configuration")
    return load_properties(next(iter(folders), None), overrides=overrides)


@click.group()
def extensions() -> None:
    """See, check and make extensions."""


for _command in (list_extensions, doctor, new):
    extensions.add_command(_command)
