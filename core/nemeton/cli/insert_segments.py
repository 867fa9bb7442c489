"""``nemeton tools insert-segments``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nemeton.cli.options import conf_option, data_dir_option, property_option

if TYPE_CHECKING:
    from nemeton.json import Json
    from nemeton.model import DataSegment

DESCRIPTOR = "descriptor.json"


@click.command("insert-segments")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@conf_option
@data_dir_option
@property_option
def insert_segments(folder: Path, folders: tuple[Path, ...], data_dir: Path, overrides: tuple[str, ...]) -> None:
    """Register the segments below FOLDER in the metadata store; their files stay where they lie.

    FOLDER is laid out as deep storage is: each segment's folder holds a descriptor.json beside its files or index.zip.
    ${SEGMENT_DIR} in a descriptor stands for FOLDER. Segments that are registered already are left as they are.
    """
    from nemeton.cli.parts import metadata_injector
    from nemeton.json import Json
    from nemeton.metadata.connector import MetadataStorageConnector
    from nemeton.spi.metadata import IndexerMetadataStorageCoordinator

    injector = metadata_injector(folders, data_dir, overrides)
    segments = [read_descriptor(path, folder, injector.get(Json)) for path in sorted(folder.rglob(DESCRIPTOR))]
    if not segments:
        raise click.ClickException(f"No {DESCRIPTOR} below [{folder}]; name the folder that holds the data sources")
    connector = injector.get(MetadataStorageConnector)
    connector.start()
    try:
        connector.create_tables()
        inserted = injector.get(IndexerMetadataStorageCoordinator).commit_segments(segments)  # type: ignore[type-abstract]
    finally:
        connector.stop()
    sources = sorted({segment.data_source for segment in segments})
    click.echo(f"{len(inserted)} of {len(segments)} segments registered, data sources: {', '.join(sources)}")


def read_descriptor(path: Path, folder: Path, converter: Json) -> DataSegment:
    """Read one descriptor. Raises click.ClickException that names the file if it is not one."""
    from nemeton.common.errors import DruidException
    from nemeton.model import DataSegment

    try:
        payload: Any = json.loads(path.read_text(encoding="utf-8").replace("${SEGMENT_DIR}", str(folder.resolve())))
        return converter.structure(payload, DataSegment)
    except (OSError, ValueError, DruidException) as error:
        raise click.ClickException(f"[{path}] is no segment descriptor: {error}") from error
