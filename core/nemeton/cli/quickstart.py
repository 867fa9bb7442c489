"""``nemeton quickstart``: everything in one process, with sample data, on this machine."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nemeton.cli.options import data_dir_option, property_option

if TYPE_CHECKING:
    from rich.console import Console

    from nemeton.server.embedded import EmbeddedCluster


@click.command()
@data_dir_option
@click.option(
    "--port",
    type=click.IntRange(1024, 65535),
    default=8888,
    show_default=True,
    help="Port of the Router; the other roles move with it.",
)
@click.option("--exit", "exit_after", is_flag=True, help="End after the answers instead of staying up.")
@click.option("--no-sample", is_flag=True, help="Start empty: no sample data, no queries.")
@property_option
def quickstart(data_dir: Path, port: int, exit_after: bool, no_sample: bool, overrides: tuple[str, ...]) -> None:
    """Start all roles in one process on loopback, ingest a sample and answer three SQL queries about it.

    Stays up until Ctrl-C. What it stored is found again by the next run with the same --data-dir.
    """
    from rich.console import Console

    from nemeton.cli.logs import configure_logging
    from nemeton.common.heap import calm_collector, settle_heap, share_heaps

    configure_logging("WARNING")
    calm_collector()
    share_heaps()
    console = Console(highlight=False)
    cluster = _start(console, data_dir, port, overrides)
    try:
        if not no_sample:
            _show_sample(console, cluster)
        _say_what_next(console, cluster, data_dir, no_sample)
        if not exit_after:
            console.print("Ctrl-C stops it.")
            cluster.process.join(once_heard=settle_heap)
            return
    except KeyboardInterrupt:
        console.print("Stopping.")
    finally:
        cluster.stop()


def _start(console: Console, data_dir: Path, port: int, overrides: tuple[str, ...]) -> EmbeddedCluster:
    from nemeton.common.errors import DruidException
    from nemeton.config import ConfigurationError, load_properties
    from nemeton.inject import InjectionError
    from nemeton.plugins import ExtensionError
    from nemeton.server.embedded import EmbeddedCluster

    began = time.monotonic()
    try:
        with console.status("Starting coordinator, overlord, historical, broker and router"):
            given = load_properties(None, overrides=overrides)
            cluster = EmbeddedCluster(data_dir, router_port=port, properties=given).start()
    except (ConfigurationError, InjectionError, ExtensionError, DruidException, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    console.print(f"All roles are up after {time.monotonic() - began:.1f} s.")
    return cluster


def _show_sample(console: Console, cluster: EmbeddedCluster) -> None:
    from nemeton.cli.api import RouterApi
    from nemeton.cli.sample import QUERIES, SampleLoader

    api = RouterApi(cluster.router_url)
    began = time.monotonic()
    with console.status("Looking for the sample") as status:
        SampleLoader(api, status.update).load()
    console.print(f"Data source [bold]flights[/bold] is queryable after {time.monotonic() - began:.1f} s.\n")
    for question, query in QUERIES:
        began = time.monotonic()
        names, *rows = api.sql(query)
        console.print(f"[bold]{question}[/bold]  ({(time.monotonic() - began) * 1000:.0f} ms)\n[dim]{query}[/dim]")
        console.print(_table(names, rows))


def _table(names: list[str], rows: list[list[Any]]) -> Any:
    from rich.table import Table

    table = Table()
    for index, name in enumerate(names):
        numeric = all(isinstance(row[index], int | float) for row in rows)
        table.add_column(name, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    return table


def _say_what_next(console: Console, cluster: EmbeddedCluster, data_dir: Path, no_sample: bool) -> None:
    console.print("\nWhere things are:")
    for name, url in reversed(list(cluster.process.urls().items())):
        console.print(f"  {name:<12} {url}")
    console.print(f"  data         {data_dir.resolve()}\n\nGo on with:")
    router = cluster.router_url
    query = "SELECT 1" if no_sample else "SELECT origin, COUNT(*) AS flights FROM flights GROUP BY origin"
    console.print(
        f"  curl {router}/status\n"
        f"  curl -H 'Content-Type: application/json' {router}/druid/v2/sql -d '{{\"query\":\"{query}\"}}'\n"
        f"  curl {router}/druid/indexer/v1/tasks\n",
        soft_wrap=True,
    )
