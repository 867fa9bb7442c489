"""``nemeton tools metadata-init``."""

from __future__ import annotations

from pathlib import Path

import click

from nemeton.cli.options import conf_option, data_dir_option, property_option


@click.command("metadata-init")
@conf_option
@data_dir_option
@property_option
def metadata_init(folders: tuple[Path, ...], data_dir: Path, overrides: tuple[str, ...]) -> None:
    """Make the tables of the metadata store; those that are there are left as they are.

    The store is that of the configuration if --conf is given, else that of the data folder.
    """
    from nemeton.cli.parts import metadata_injector
    from nemeton.metadata.connector import MetadataStorageConnector

    connector = metadata_injector(folders, data_dir, overrides).get(MetadataStorageConnector)
    connector.start()
    try:
        connector.create_tables()
        click.echo(f"The tables are there: {connector.engine.url.render_as_string(hide_password=True)}")
    finally:
        connector.stop()
