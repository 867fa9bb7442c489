"""What ingestion adds to the injector of every role that reads or runs tasks."""

from __future__ import annotations

from nemeton.ingest.sources.http import HttpInputSourceConfig
from nemeton.inject import Binder, Module


class IngestModule(Module):
    """The operator's settings that input sources are given when their JSON is read."""

    def configure(self, binder: Binder) -> None:
        """Bind ``druid.ingestion.http.*``."""
        binder.bind_config("druid.ingestion.http", HttpInputSourceConfig)
