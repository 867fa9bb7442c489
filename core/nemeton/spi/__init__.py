"""What authors of extensions import: the marks, the abstract types behind each hook, the API version.

Names are imported from their modules when they are first asked for, so that ``import nemeton.spi`` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from nemeton.plugins import extension_point, hookimpl, hookspec, json_type, lazy, stable, unstable
from nemeton.spi.deprecations import RENAMED
from nemeton.spi.hookspecs import API

if TYPE_CHECKING:
    from nemeton.inject import Binder, Module, Named
    from nemeton.json import Json, json_options, wire
    from nemeton.model import DruidService, PartialShardSpec, ShardSpec
    from nemeton.spi.auth import (
        Access,
        Action,
        AuthenticationResult,
        Authenticator,
        Authorizer,
        Escalator,
        RequestHead,
        ResourceAction,
    )
    from nemeton.spi.cache import Cache, CacheStats, NamedKey
    from nemeton.spi.cli import CliCommand
    from nemeton.spi.coordinator import CoordinatorDuty, CoordinatorRunParams, Rule, SegmentActionHandler, ServerHolder
    from nemeton.spi.data_source_metadata import DataSourceMetadata
    from nemeton.spi.discovery import (
        DataServerAnnouncer,
        DiscoveryKind,
        DruidLeaderSelector,
        DruidNodeAnnouncer,
        DruidNodeDiscovery,
        DruidNodeDiscoveryProvider,
        LeaderListener,
        LeaderSelectorKind,
        NodeListener,
        ServiceAnnouncer,
    )
    from nemeton.spi.duties import DutySchedule, LeadingOverlord, OverlordDuty
    from nemeton.spi.emitter import (
        AlertEvent,
        Emitter,
        Event,
        ExtraServiceDimensions,
        MetricEvent,
        SegmentMetadataEvent,
        Severity,
    )
    from nemeton.spi.http import Request, Resource, Response, StreamingResponse, route
    from nemeton.spi.indexing import (
        ChatHandler,
        Task,
        TaskAction,
        TaskActionClient,
        TaskActionToolbox,
        TaskConfig,
        TaskContextEnricher,
        TaskResource,
        TaskToolbox,
    )
    from nemeton.spi.ingest import InputEntity, InputFormat, InputRowSchema, InputSource, ParseProblems
    from nemeton.spi.lookup_loading import LookupLoadingSpec
    from nemeton.spi.lookups import LookupContext, LookupExtractor, LookupExtractorFactory, LookupProvider
    from nemeton.spi.metadata import IndexerMetadataStorageCoordinator, MetadataStorageDialect
    from nemeton.spi.monitors import MetricSink, Monitor
    from nemeton.spi.provisioning import (
        AutoScaler,
        AutoScalingData,
        ProvisioningService,
        ProvisioningStrategy,
        ScalingStats,
    )
    from nemeton.spi.query import (
        AggregatorFactory,
        Block,
        DataSource,
        DimensionSpec,
        DimFilter,
        ExpressionFunction,
        ExtractionFn,
        HavingSpec,
        PostAggregator,
        Query,
        QueryToolChest,
        ResultTable,
        Vector,
        VirtualColumn,
    )
    from nemeton.spi.request_log import RequestLogger, RequestLogLine
    from nemeton.spi.runners import (
        ImmutableWorkerInfo,
        RunnerTaskState,
        TaskRunner,
        TaskRunnerListener,
        TaskRunnerWorkItem,
        WorkerSelectStrategy,
        WorkerTaskRunner,
        WorkerTaskRunnerConfig,
    )
    from nemeton.spi.scheduling import QueryLaningStrategy, QueryPrioritizationStrategy
    from nemeton.spi.storage import (
        DataSegmentArchiver,
        DataSegmentKiller,
        DataSegmentMover,
        DataSegmentPuller,
        DataSegmentPusher,
        DeepStorage,
        SegmentLoadingError,
        TaskLogs,
    )

_MODULES: dict[str, tuple[str, ...]] = {
    "nemeton.inject": (
        "Binder",
        "Module",
        "Named",
    ),
    "nemeton.json": (
        "Json",
        "json_options",
        "wire",
    ),
    "nemeton.model": (
        "DruidService",
        "PartialShardSpec",
        "ShardSpec",
    ),
    "nemeton.spi.auth": (
        "Access",
        "Action",
        "AuthenticationResult",
        "Authenticator",
        "Authorizer",
        "Escalator",
        "RequestHead",
        "ResourceAction",
    ),
    "nemeton.spi.cache": ("Cache", "CacheStats", "NamedKey"),
    "nemeton.spi.cli": ("CliCommand",),
    "nemeton.spi.coordinator": (
        "CoordinatorDuty",
        "CoordinatorRunParams",
        "Rule",
        "SegmentActionHandler",
        "ServerHolder",
    ),
    "nemeton.spi.data_source_metadata": ("DataSourceMetadata",),
    "nemeton.spi.discovery": (
        "DataServerAnnouncer",
        "DiscoveryKind",
        "DruidLeaderSelector",
        "DruidNodeAnnouncer",
        "DruidNodeDiscovery",
        "DruidNodeDiscoveryProvider",
        "LeaderListener",
        "LeaderSelectorKind",
        "NodeListener",
        "ServiceAnnouncer",
    ),
    "nemeton.spi.duties": (
        "DutySchedule",
        "LeadingOverlord",
        "OverlordDuty",
    ),
    "nemeton.spi.emitter": (
        "AlertEvent",
        "Emitter",
        "Event",
        "ExtraServiceDimensions",
        "MetricEvent",
        "SegmentMetadataEvent",
        "Severity",
    ),
    "nemeton.spi.http": (
        "Request",
        "Resource",
        "Response",
        "StreamingResponse",
        "route",
    ),
    "nemeton.spi.indexing": (
        "ChatHandler",
        "Task",
        "TaskAction",
        "TaskActionClient",
        "TaskActionToolbox",
        "TaskConfig",
        "TaskContextEnricher",
        "TaskResource",
        "TaskToolbox",
    ),
    "nemeton.spi.ingest": (
        "InputEntity",
        "InputFormat",
        "InputRowSchema",
        "InputSource",
        "ParseProblems",
    ),
    "nemeton.spi.lookup_loading": ("LookupLoadingSpec",),
    "nemeton.spi.lookups": (
        "LookupContext",
        "LookupExtractor",
        "LookupExtractorFactory",
        "LookupProvider",
    ),
    "nemeton.spi.metadata": (
        "IndexerMetadataStorageCoordinator",
        "MetadataStorageDialect",
    ),
    "nemeton.spi.monitors": (
        "MetricSink",
        "Monitor",
    ),
    "nemeton.spi.provisioning": (
        "AutoScaler",
        "AutoScalingData",
        "ProvisioningService",
        "ProvisioningStrategy",
        "ScalingStats",
    ),
    "nemeton.spi.query": (
        "AggregatorFactory",
        "Block",
        "DataSource",
        "DimFilter",
        "DimensionSpec",
        "ExpressionFunction",
        "ExtractionFn",
        "HavingSpec",
        "PostAggregator",
        "Query",
        "QueryToolChest",
        "ResultTable",
        "Vector",
        "VirtualColumn",
    ),
    "nemeton.spi.request_log": ("RequestLogLine", "RequestLogger"),
    "nemeton.spi.runners": (
        "ImmutableWorkerInfo",
        "RunnerTaskState",
        "TaskRunner",
        "TaskRunnerListener",
        "TaskRunnerWorkItem",
        "WorkerSelectStrategy",
        "WorkerTaskRunner",
        "WorkerTaskRunnerConfig",
    ),
    "nemeton.spi.scheduling": ("QueryLaningStrategy", "QueryPrioritizationStrategy"),
    "nemeton.spi.storage": (
        "DataSegmentArchiver",
        "DataSegmentKiller",
        "DataSegmentMover",
        "DataSegmentPuller",
        "DataSegmentPusher",
        "DeepStorage",
        "SegmentLoadingError",
        "TaskLogs",
    ),
}
"""Module → names, the same as above, for the time when it runs (a test holds the two together)."""

_LAZY = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in RENAMED:
        name, deprecation = RENAMED[name]
        deprecation.used(API)
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


__all__ = [
    "API",
    "Access",
    "Action",
    "AggregatorFactory",
    "AlertEvent",
    "AuthenticationResult",
    "Authenticator",
    "Authorizer",
    "AutoScaler",
    "AutoScalingData",
    "Binder",
    "Block",
    "Cache",
    "CacheStats",
    "ChatHandler",
    "CliCommand",
    "CoordinatorDuty",
    "CoordinatorRunParams",
    "DataSegmentArchiver",
    "DataSegmentKiller",
    "DataSegmentMover",
    "DataSegmentPuller",
    "DataSegmentPusher",
    "DataServerAnnouncer",
    "DataSource",
    "DataSourceMetadata",
    "DeepStorage",
    "DimFilter",
    "DimensionSpec",
    "DiscoveryKind",
    "DruidLeaderSelector",
    "DruidNodeAnnouncer",
    "DruidNodeDiscovery",
    "DruidNodeDiscoveryProvider",
    "DruidService",
    "DutySchedule",
    "Emitter",
    "Escalator",
    "Event",
    "ExpressionFunction",
    "ExtraServiceDimensions",
    "ExtractionFn",
    "HavingSpec",
    "ImmutableWorkerInfo",
    "IndexerMetadataStorageCoordinator",
    "InputEntity",
    "InputFormat",
    "InputRowSchema",
    "InputSource",
    "Json",
    "LeaderListener",
    "LeaderSelectorKind",
    "LeadingOverlord",
    "LookupContext",
    "LookupExtractor",
    "LookupExtractorFactory",
    "LookupLoadingSpec",
    "LookupProvider",
    "MetadataStorageDialect",
    "MetricEvent",
    "MetricSink",
    "Module",
    "Monitor",
    "Named",
    "NamedKey",
    "NodeListener",
    "OverlordDuty",
    "ParseProblems",
    "PartialShardSpec",
    "PostAggregator",
    "ProvisioningService",
    "ProvisioningStrategy",
    "Query",
    "QueryLaningStrategy",
    "QueryPrioritizationStrategy",
    "QueryToolChest",
    "Request",
    "RequestHead",
    "RequestLogLine",
    "RequestLogger",
    "Resource",
    "ResourceAction",
    "Response",
    "ResultTable",
    "Rule",
    "RunnerTaskState",
    "ScalingStats",
    "SegmentActionHandler",
    "SegmentLoadingError",
    "SegmentMetadataEvent",
    "ServerHolder",
    "ServiceAnnouncer",
    "Severity",
    "ShardSpec",
    "StreamingResponse",
    "Task",
    "TaskAction",
    "TaskActionClient",
    "TaskActionToolbox",
    "TaskConfig",
    "TaskContextEnricher",
    "TaskLogs",
    "TaskResource",
    "TaskRunner",
    "TaskRunnerListener",
    "TaskRunnerWorkItem",
    "TaskToolbox",
    "Vector",
    "VirtualColumn",
    "WorkerSelectStrategy",
    "WorkerTaskRunner",
    "WorkerTaskRunnerConfig",
    "extension_point",
    "hookimpl",
    "hookspec",
    "json_options",
    "json_type",
    "lazy",
    "route",
    "stable",
    "unstable",
    "wire",
]
