"""The hooks that extensions implement.

An extension implements a hook by a function of the same name, marked with ``@hookimpl``, in the module (or on the
object) that its entry point names. Most hooks return classes, or `lazy` names of classes, that are filed in the type
registry by their type names; the framework makes objects of them when JSON or a property names the type. Every spec
says what it wants, who uses the result and on which threads, and shows an example; docs/extensions/hooks.md is made of
this text.

Each room has a module of its own here; all hooks are names of this package.
"""

from __future__ import annotations

from nemeton.spi.deprecations import HOOKS
from nemeton.spi.hookspecs.cluster import (
    discoveries,
    druid_services,
    emitters,
    leader_selectors,
    monitors,
)
from nemeton.spi.hookspecs.coordinator import (
    coordinator_duties,
    load_rules,
)
from nemeton.spi.hookspecs.framework import (
    cli_commands,
    druid_modules,
    http_resources,
)
from nemeton.spi.hookspecs.indexing import (
    autoscalers,
    intermediary_data_managers,
    overlord_duties,
    partial_shard_specs,
    provisioning_strategies,
    task_actions,
    task_runners,
    task_types,
    worker_select_strategies,
)
from nemeton.spi.hookspecs.ingest import (
    compaction_input_specs,
    compaction_runners,
    input_formats,
    input_sources,
    partitions_specs,
    sampler_specs,
)
from nemeton.spi.hookspecs.query import (
    aggregators,
    caches,
    data_sources,
    dimension_specs,
    expression_functions,
    extraction_fns,
    filters,
    having_specs,
    laning_strategies,
    lookups,
    policies,
    post_aggregators,
    prioritization_strategies,
    query_types,
    request_loggers,
    shard_specs,
    spatial_bounds,
    topn_metric_specs,
    virtual_columns,
    window_frames,
    window_operators,
    window_processors,
)
from nemeton.spi.hookspecs.security import (
    authenticators,
    authorizers,
    escalators,
    password_providers,
)
from nemeton.spi.hookspecs.sql import (
    sql_aggregators,
    sql_functions,
)
from nemeton.spi.hookspecs.storage import (
    data_source_metadata,
    deep_storages,
    metadata_stores,
    task_logs,
)
from nemeton.spi.hookspecs.types import Types

API = "1.0"
"""The version of the extension API: the major number changes when an extension may break, the minor when it grows."""

DEPRECATED_HOOKS = HOOKS
"""What the loader tells of; see `nemeton.spi.deprecations`."""

__all__ = [
    "API",
    "DEPRECATED_HOOKS",
    "Types",
    "aggregators",
    "authenticators",
    "authorizers",
    "autoscalers",
    "caches",
    "cli_commands",
    "compaction_input_specs",
    "compaction_runners",
    "coordinator_duties",
    "data_source_metadata",
    "data_sources",
    "deep_storages",
    "dimension_specs",
    "discoveries",
    "druid_modules",
    "druid_services",
    "emitters",
    "escalators",
    "expression_functions",
    "extraction_fns",
    "filters",
    "having_specs",
    "http_resources",
    "input_formats",
    "input_sources",
    "intermediary_data_managers",
    "laning_strategies",
    "leader_selectors",
    "load_rules",
    "lookups",
    "metadata_stores",
    "monitors",
    "overlord_duties",
    "partial_shard_specs",
    "partitions_specs",
    "password_providers",
    "policies",
    "post_aggregators",
    "prioritization_strategies",
    "provisioning_strategies",
    "query_types",
    "request_loggers",
    "sampler_specs",
    "shard_specs",
    "spatial_bounds",
    "sql_aggregators",
    "sql_functions",
    "task_actions",
    "task_logs",
    "task_runners",
    "task_types",
    "topn_metric_specs",
    "virtual_columns",
    "window_frames",
    "window_operators",
    "window_processors",
    "worker_select_strategies",
]
