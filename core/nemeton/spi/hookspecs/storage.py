"""Hooks of deep storage, task logs and the metadata store."""
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from nemeton.plugins import hookspec
from nemeton.spi.hookspecs.types import Types


@hookspec
def deep_storages() -> Types:
    """Deep storages: `druid.storage.type` and the `type` of a segment's load spec.

    Returns classes of `nemeton.spi.DeepStorage`, which bundles the puller, the pusher and the killer of one kind;
    made by the injector.

    Used by: peons (push, pull), Historicals (pull) and the tasks that kill segments; several threads at a time.

    Example::

        @hookimpl
        def deep_storages():
            return [lazy("acme_store", "acme.store:AcmeDeepStorage")]
    """


@hookspec
def task_logs() -> Types:
    """Stores of task logs and reports: `druid.indexer.logs.type`.

    Returns classes of `nemeton.spi.TaskLogs`, made by the injector.

    Used by: whoever runs peons (push) and the Overlord (stream, kill); several threads at a time.

    Example::

        @hookimpl
        def task_logs():
            return [lazy("acme_store", "acme.store:AcmeTaskLogs")]
    """


@hookspec
def metadata_stores() -> Types:
    """Databases for the metadata: `druid.metadata.storage.type`.

    Returns classes of `nemeton.spi.MetadataStorageDialect`, made by the injector.

    Used by: Coordinators and Overlords, on many threads.

    Example::

        @hookimpl
        def metadata_stores():
            return [lazy("cockroach", "acme.cockroach:CockroachDialect")]
    """


@hookspec
def data_source_metadata() -> Types:
    """Offsets that a publish moves on: `startMetadata` and `endMetadata` of the publishing task actions.

    Returns classes of `nemeton.spi.DataSourceMetadata`; those of streams best extend
    `nemeton.indexing.seekablestream.metadata.SeekableStreamDataSourceMetadata`.

    Used by: tasks, which send them, and the leading Overlord, which compares them within the publishing transaction.

    Example::

        @hookimpl
        def data_source_metadata():
            return [lazy("acme_stream", "acme.stream:AcmeDataSourceMetadata")]
    """
