"""``druid.storage.*`` and ``druid.indexer.logs.*`` of the local kinds."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class LocalStorageConfig:
    """``druid.storage.*`` of type ``local``.

    Druid's own default folder is below /tmp; ours is where the configuration that Druid ships puts it, below the
    working directory. With ``zip`` a segment is one ``index.zip`` instead of a folder.
    """

    storage_directory: str = "var/druid/segments"
    zip: bool = False


@frozen(kw_only=True)
class FileTaskLogsConfig:
    """``druid.indexer.logs.*`` of type ``file``."""

    directory: str = "var/druid/indexing-logs"
