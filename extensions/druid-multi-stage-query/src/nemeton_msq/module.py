"""Binds the extension's properties."""

from __future__ import annotations

from typing import ClassVar

from nemeton.spi import Binder, Module
from nemeton_msq.config import DurableStorageCleanerConfig, DurableStorageConfig


class DurableStorageModule(Module):
    """Only in Overlords: nobody else here has to do with durable storage."""

    roles: ClassVar[frozenset[str] | None] = frozenset({"overlord"})

    def configure(self, binder: Binder) -> None:
        """The storage, and its cleaner."""
        binder.bind_config("druid.msq.intermediate.storage", DurableStorageConfig)
        binder.bind_config("druid.msq.intermediate.storage.cleaner", DurableStorageCleanerConfig)
