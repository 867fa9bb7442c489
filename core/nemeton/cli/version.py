"""``nemeton version``."""

from __future__ import annotations

import platform

import click

import nemeton


@click.command()
def version() -> None:
    """Print the version of nemeton and of Python."""
    click.echo(f"nemeton {nemeton.__version__} (Python {platform.python_version()})")
