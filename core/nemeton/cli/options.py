"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_DATA_DIR = Path("var") / "nemeton"
"""Where a process keeps its things when nobody says otherwise: below the working folder, as Druid's ``var/druid``."""


def data_dir_option(command: F) -> F:
    """``--data-dir``: where metadata, segments and logs of the quickstart lie."""
    return click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        default=DEFAULT_DATA_DIR,
        show_default=True,
        help="Where metadata, segments and logs are kept.",
    )(command)


def property_option(command: F) -> F:
    """``-D key=value``, repeatable."""
    return click.option(
        "-D", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a property; may be repeated, wins over files."
    )(command)


def conf_option(command: F) -> F:
    """``--conf DIR``, one for all roles or one for each."""
    return click.option(
        "--conf",
        "folders",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Folder with runtime.properties; _common/ is looked for in it and up to three parents. "
        "Once for all roles, or once for each role in their order.",
    )(command)
