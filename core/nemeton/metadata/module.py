"""Bindings of the metadata store."""

from __future__ import annotations

from nemeton.inject import Binder, Module
from nemeton.lifecycle import Stage
from nemeton.metadata.audit import AuditManager, AuditManagerConfig
from nemeton.metadata.config import (
    ConfigManagerConfig,
    MetadataRuleManagerConfig,
    MetadataStorageConnectorConfig,
    MetadataStorageTablesConfig,
    SegmentsMetadataManagerConfig,
)
from nemeton.metadata.connector import MetadataStorageConnector
from nemeton.metadata.coordinator import SqlIndexerMetadataStorageCoordinator
from nemeton.metadata.dynamic_config import ConfigManager
from nemeton.metadata.poll import SegmentsMetadataManager
from nemeton.metadata.rules import MetadataRuleManager
from nemeton.spi.metadata import IndexerMetadataStorageCoordinator, MetadataStorageDialect


class MetadataModule(Module):
    """Connector and managers. The tables are made before anything else starts."""

    def configure(self, binder: Binder) -> None:
        """``druid.metadata.storage.*`` and ``druid.manager.*``; the store is open before what uses it starts."""
        binder.bind_config("druid.metadata.storage.connector", MetadataStorageConnectorConfig)
        binder.bind_config("druid.metadata.storage.tables", MetadataStorageTablesConfig)
        binder.bind_config("druid.manager.segments", SegmentsMetadataManagerConfig)
        binder.bind_config("druid.manager.rules", MetadataRuleManagerConfig)
        binder.bind_config("druid.manager.config", ConfigManagerConfig)
        binder.bind_config("druid.audit.manager", AuditManagerConfig)
        binder.bind_choice(MetadataStorageDialect, "druid.metadata.storage.type", default="sqlite")
        binder.bind(MetadataStorageConnector)
        binder.manage_lifecycle(MetadataStorageConnector, stage=Stage.INIT)
        binder.bind(IndexerMetadataStorageCoordinator, to=SqlIndexerMetadataStorageCoordinator)
        binder.bind(SegmentsMetadataManager)
        binder.bind(AuditManager)
        binder.bind(ConfigManager)
        binder.manage_lifecycle(ConfigManager)
        binder.bind(MetadataRuleManager)
