"""What input sources read of a role's configuration."""

from __future__ import annotations

from nemeton.inject import Binder, Module


class IngestModule(Module):
    """For the roles that read specs: the Overlord, which refuses bad ones, and peons, which run them."""

    def configure(self, binder: Binder) -> None:
        """Bind the configuration of input sources."""
        from nemeton.ingest.sources.http import HttpInputSourceConfig

        binder.bind_config("druid.ingestion.http", HttpInputSourceConfig)
