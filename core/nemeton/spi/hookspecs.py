"""The hooks that extensions implement.

A hook without arguments that returns classes files them in the type registry, once, at start-up; see `nemeton.plugins.hookspec`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nemeton.plugins import LazyType, hookspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nemeton.inject import Module

API = "1.0"
"""The version of the extension API: the major number changes when an extension may break, the minor when it grows."""


@hookspec(kind="modules", stability="stable")
def druid_modules() -> Sequence[Module]:
    """Inject Modules, which can bind anything (Druid's DruidModule)."""


@hookspec
def worker_select_strategies() -> Sequence[type | LazyType]:
    """WorkerSelectStrategy classes."""


@hookspec
def task_runners() -> Sequence[type | LazyType]:
    """TaskRunner classes."""


@hookspec
def task_types() -> Sequence[type | LazyType]:
    """Task classes."""


@hookspec
def task_actions() -> Sequence[type | LazyType]:
    """TaskAction classes."""


@hookspec
def deep_storages() -> Sequence[type | LazyType]:
    """DeepStorage classes."""


@hookspec
def task_logs() -> Sequence[type | LazyType]:
    """TaskLogs classes."""


@hookspec
def input_sources() -> Sequence[type | LazyType]:
    """InputSource classes."""


@hookspec
def input_formats() -> Sequence[type | LazyType]:
    """InputFormat classes."""


@hookspec
def aggregators() -> Sequence[type | LazyType]:
    """AggregatorFactory classes."""


@hookspec
def post_aggregators() -> Sequence[type | LazyType]:
    """PostAggregator classes."""


@hookspec
def filters() -> Sequence[type | LazyType]:
    """DimFilter classes."""


@hookspec
def virtual_columns() -> Sequence[type | LazyType]:
    """VirtualColumn classes."""


@hookspec
def dimension_specs() -> Sequence[type | LazyType]:
    """DimensionSpec classes."""


@hookspec
def extraction_fns() -> Sequence[type | LazyType]:
    """ExtractionFn classes."""


@hookspec
def query_types() -> Sequence[type | LazyType]:
    """Query classes (tag ``queryType``)."""


@hookspec
def data_sources() -> Sequence[type | LazyType]:
    """DataSource classes."""


@hookspec
def expression_functions() -> Sequence[type | LazyType]:
    """Functions of Druid's expression language."""


@hookspec
def sql_functions() -> Sequence[type | LazyType]:
    """SQL functions and aggregators."""


@hookspec
def shard_specs() -> Sequence[type | LazyType]:
    """ShardSpec classes."""


@hookspec
def load_rules() -> Sequence[type | LazyType]:
    """Load and drop Rule classes."""


@hookspec
def discoveries() -> Sequence[type | LazyType]:
    """Kinds of node discovery."""


@hookspec
def leader_selectors() -> Sequence[type | LazyType]:
    """Kinds of leader selection."""


@hookspec
def metadata_stores() -> Sequence[type | LazyType]:
    """Metadata store connectors."""


@hookspec
def emitters() -> Sequence[type | LazyType]:
    """Emitter classes."""


@hookspec
def authenticators() -> Sequence[type | LazyType]:
    """Authenticator classes."""


@hookspec
def authorizers() -> Sequence[type | LazyType]:
    """Authorizer classes."""


@hookspec
def escalators() -> Sequence[type | LazyType]:
    """Escalator classes."""


@hookspec
def password_providers() -> Sequence[type | LazyType]:
    """PasswordProvider classes."""


@hookspec
def services() -> Sequence[type | LazyType]:
    """DruidService classes: what a node announces that it offers."""


@hookspec(kind="objects")
def http_resources(role: str) -> Sequence[type]:
    """HTTP Resource classes of a role."""


@hookspec(kind="objects")
def cli_commands() -> Sequence[Any]:
    """Click commands under ``nemeton``."""


@hookspec
def coordinator_duties() -> Sequence[type | LazyType]:
    """Coordinator duty classes."""


@hookspec
def overlord_duties() -> Sequence[type | LazyType]:
    """Overlord duty classes."""
