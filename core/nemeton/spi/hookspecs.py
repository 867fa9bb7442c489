"""The hooks that extensions implement.

An extension implements a hook by a function of the same name, marked with ``@hookimpl``, in the module (or on the
object) that its entry point names. Most hooks return classes, or `lazy` names of classes, that are filed in the type
registry by their type names; the framework makes objects of them when JSON or a property names the type. Every spec
says what it wants, who uses the result and on which threads, and shows an example; docs/extensions/hooks.md is made of
this text.
"""
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nemeton.plugins import LazyType, hookspec
from nemeton.spi.deprecations import HOOKS

if TYPE_CHECKING:
    from nemeton.inject import Module
    from nemeton.spi.cli import CliCommand

API = "1.0"
"""The version of the extension API: the major number changes when an extension may break, the minor when it grows."""

DEPRECATED_HOOKS = HOOKS
"""What the loader tells of; see `nemeton.spi.deprecations`."""

Types = Sequence[type | LazyType]
"""What a hook returns that files classes: classes marked with ``@json_type``, or ``lazy(name, "module:Class")``."""


@hookspec(kind="modules", stability="stable")
def druid_modules() -> Sequence[Module]:
    """Inject Modules, which can bind, replace and start anything (Druid's DruidModule).

    Returns objects or classes of `nemeton.inject.Module`. A Module with a class attribute ``roles`` (a frozenset of
    role names such as ``"overlord"``) is installed in those roles only. Take a narrow hook where there is one.

    Used by: all roles, when a role's injector is made; ``configure`` runs on the main thread before anything starts.

    Example::

        class FairShareModule(Module):
            roles = frozenset({"overlord"})

            def configure(self, binder: Binder) -> None:
                binder.bind_config("druid.fairshare", FairShareConfig)

        @hookimpl
        def druid_modules():
            return [FairShareModule()]
    """


@hookspec(stability="stable")
def worker_select_strategies() -> Types:
    """Ways for the Overlord to pick the worker that a task goes to.

    Returns classes of `nemeton.spi.WorkerSelectStrategy`. Their type names are those of `selectStrategy` in the
    worker behaviour configuration (`/druid/indexer/v1/worker`).

    Used by: the Overlord's task runners; `find_worker` is called under the runner's lock and must neither block nor
    keep state.

    Example::

        @json_type("fairShare")
        @frozen
        class FairShare(WorkerSelectStrategy):
            max_per_datasource: int = 4

            def find_worker(self, config, workers, task):
                able = [worker for worker in workers.values() if worker.can_run_task(task)]
                return max(able, key=lambda worker: worker.available_capacity, default=None)


        @hookimpl
        def worker_select_strategies():
            return [FairShare]
    """


@hookspec
def task_runners() -> Types:
    """Ways for the Overlord to run tasks: `druid.indexer.runner.type`.

    Returns classes of `nemeton.spi.TaskRunner`, made by the injector: constructor arguments are injected by type.

    Used by: the Overlord that leads, from its queue's threads and from HTTP threads; every method has to be
    thread-safe.

    Example::

        @json_type("slurm")
        class SlurmTaskRunner(TaskRunner):
            def __init__(self, config: SlurmConfig, clock: Clock) -> None:
                ...


        @hookimpl
        def task_runners():
            return [SlurmTaskRunner]
    """


@hookspec
def task_types() -> Types:
    """Kinds of tasks: the `type` of a task specification.

    Returns classes of `nemeton.spi.Task`, read from the JSON that is submitted to `/druid/indexer/v1/task`.

    Used by: the Overlord, which reads, stores and asks `is_ready` on its queue's thread, and the peon, which calls
    `run` on its main thread.

    Example::

        @hookimpl
        def task_types():
            return [lazy("acme_export", "acme.export:ExportTask")]
    """


@hookspec
def task_actions() -> Types:
    """Kinds of task actions: what a task can ask of the Overlord.

    Returns classes of `nemeton.spi.TaskAction`, read from the JSON that is sent to `/druid/indexer/v1/action`.

    Used by: peons, which send them, and the leading Overlord, which performs them on HTTP threads, several at a time.

    Example::

        @hookimpl
        def task_actions():
            return [lazy("acmeReserve", "acme.export:ReserveAction")]
    """


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
def input_sources() -> Types:
    """Places that ingestion reads from: `ioConfig.inputSource.type`.

    Returns classes of `nemeton.spi.InputSource`.

    Used by: the peons of batch tasks, and the Overlord where it samples and checks specifications.

    Example::

        @hookimpl
        def input_sources():
            return [lazy("ftp", "acme.ftp:FtpInputSource")]
    """


@hookspec
def input_formats() -> Types:
    """Formats that ingestion can parse: `ioConfig.inputFormat.type`.

    Returns classes of `nemeton.spi.InputFormat`, which turn bytes into Arrow batches.

    Used by: the peons of batch tasks, and the Overlord where it samples and checks specifications.

    Example::

        @hookimpl
        def input_formats():
            return [lazy("logfmt", "acme.logfmt:LogfmtInputFormat")]
    """


@hookspec
def aggregators() -> Types:
    """Aggregators of queries and of rollup: the `type` in `aggregations` and `metricsSpec`.

    Returns classes of `nemeton.spi.AggregatorFactory`, which work on arrays of rows and group ids.

    Used by: Brokers, Historicals and peons; a state is used by one thread at a time, a factory by many.

    Example::

        @hookimpl
        def aggregators():
            return [lazy("acmeMode", "acme.aggregators:ModeAggregatorFactory")]
    """


@hookspec
def post_aggregators() -> Types:
    """Columns computed of finished aggregates: the `type` in `postAggregations`.

    Returns classes of `nemeton.spi.PostAggregator`, read from the query's JSON.

    Used by: Brokers, once per result, on a query thread.

    Example::

        @hookimpl
        def post_aggregators():
            return [lazy("acmeRatio", "acme.aggregators:RatioPostAggregator")]
    """


@hookspec
def filters() -> Types:
    """Conditions on rows: the `type` of a query's `filter`.

    Returns classes of `nemeton.spi.DimFilter`, read from the query's JSON.

    Used by: Historicals, peons and Brokers, on query threads, block by block; an object is shared by threads.

    Example::

        @hookimpl
        def filters():
            return [lazy("acmeGeo", "acme.filters:GeoFilter")]
    """


@hookspec
def having_specs() -> Types:
    """Conditions on the result rows of a groupBy: the `type` of `having`.

    Returns classes of `nemeton.spi.HavingSpec`, read from the query's JSON.

    Used by: Brokers, once per result, on a query thread.

    Example::

        @hookimpl
        def having_specs():
            return [lazy("acmeHaving", "acme.filters:AcmeHavingSpec")]
    """


@hookspec
def topn_metric_specs() -> Types:
    """Orderings of a topN: the `type` of `metric`.

    Returns classes of `nemeton.query.model.topn_metrics.TopNMetricSpec`, read from the query's JSON.

    Used by: Historicals, peons and Brokers, on query threads.

    Example::

        @hookimpl
        def topn_metric_specs():
            return [lazy("acmeOrder", "acme.queries:AcmeTopNMetricSpec")]
    """


@hookspec
def virtual_columns() -> Types:
    """Columns computed while a query runs: the `type` in `virtualColumns`.

    Returns classes of `nemeton.spi.VirtualColumn`, read from the query's JSON.

    Used by: Historicals, peons and Brokers, on query threads, block by block.

    Example::

        @hookimpl
        def virtual_columns():
            return [lazy("acmeColumn", "acme.columns:AcmeVirtualColumn")]
    """


@hookspec
def dimension_specs() -> Types:
    """Ways to group by a column: the `type` in `dimensions`.

    Returns classes of `nemeton.spi.DimensionSpec`, read from the query's JSON. A plain string in JSON is the
    `default` type.

    Used by: Historicals, peons and Brokers, on query threads, block by block.

    Example::

        @hookimpl
        def dimension_specs():
            return [lazy("acmeRounded", "acme.columns:RoundedDimensionSpec")]
    """


@hookspec
def extraction_fns() -> Types:
    """Functions from a dimension value to a string: the `type` of `extractionFn`.

    Returns classes of `nemeton.spi.ExtractionFn`, read from the query's JSON.

    Used by: Historicals, peons and Brokers, once per distinct value, on query threads.

    Example::

        @hookimpl
        def extraction_fns():
            return [lazy("acmeDomain", "acme.columns:DomainExtractionFn")]
    """


@hookspec
def query_types() -> Types:
    """Kinds of native queries: `queryType`.

    Returns classes of `nemeton.spi.Query`, read from the query's JSON.

    Used by: Brokers, Historicals and peons that answer `/druid/v2`, on query threads.

    Example::

        @hookimpl
        def query_types():
            return [lazy("acmeSample", "acme.queries:SampleQuery")]
    """


@hookspec
def data_sources() -> Types:
    """What a query can read from: the `type` of `dataSource`.

    Returns classes of `nemeton.spi.DataSource`, read from the query's JSON. A plain string in JSON is a table.

    Used by: Brokers and data servers, while a query is planned.

    Example::

        @hookimpl
        def data_sources():
            return [lazy("acmeRemote", "acme.queries:RemoteDataSource")]
    """


@hookspec
def expression_functions() -> Types:
    """Functions of Druid's expression language.

    Returns classes of `nemeton.spi.ExpressionFunction`; the type name is the function's name in expressions. A name
    that core has is an error.

    Used by: every process that evaluates expressions, made known once when it starts; evaluation is by blocks, on query
    threads and in peons, several at a time.

    Example::

        @hookimpl
        def expression_functions():
            return [lazy("acme_distance", "acme.expressions:Distance")]
    """


@hookspec(kind="objects")
def sql_functions() -> Sequence[object]:
    """Scalar functions of Druid SQL.

    Returns `nemeton.sql.functions.base.SqlFunction` objects: the name in SQL, the operands, the result type, and how a
    call is written as a native expression (a function of the expression language, core's or from
    `expression_functions`). Core's own functions come through this hook.

    Used by: Brokers, while a statement is planned, on query threads; the objects are shared by threads.

    Example::

        @hookimpl
        def sql_functions():
            return [SqlFunction("ACME_DISTANCE", ("NUMERIC", "NUMERIC"), returns(DOUBLE), call("acme_distance"))]
    """


@hookspec(kind="objects")
def sql_aggregators() -> Sequence[object]:
    """Aggregate functions of Druid SQL.

    Returns `nemeton.sql.functions.aggregates.SqlAggregator` objects, which write native aggregators and
    post-aggregators for a call (core's types, or those of `aggregators`). Core's own come through this hook.

    Used by: Brokers, while a statement is planned, on query threads; the objects are shared by threads.

    Example::

        def build(columns, call, name):
            return NativeAggregation([{"type": "acmeSum", "name": name, "fieldName": columns.field(call.args[0])}])

        @hookimpl
        def sql_aggregators():
            return [SqlAggregator("ACME_SUM", always(DOUBLE), build)]
    """


@hookspec
def shard_specs() -> Types:
    """Kinds of shard specs: how the segments of one interval share its rows.

    Returns classes of `nemeton.model.ShardSpec`, read from the `shardSpec` of a segment.

    Used by: every role; the objects are immutable and shared by threads.

    Example::

        @hookimpl
        def shard_specs():
            return [lazy("acmeZoned", "acme.shards:ZonedShardSpec")]
    """


@hookspec
def druid_services() -> Types:
    """What a node can announce that it offers: the `services` of a discovered node.

    Returns classes of `nemeton.model.DruidService`.

    Used by: every role, when nodes are announced and discovered.

    Example::

        @hookimpl
        def druid_services():
            return [lazy("acmeService", "acme.services:AcmeService")]
    """


@hookspec
def load_rules() -> Types:
    """Load and drop rules: the `type` of a rule of `/druid/coordinator/v1/rules`.

    Returns classes of `nemeton.spi.Rule`.

    Used by: the leading Coordinator, on its duty thread, for each segment of each run: keep it quick.

    Example::

        @hookimpl
        def load_rules():
            return [lazy("loadBusinessDays", "acme.rules:LoadBusinessDays")]
    """


@hookspec
def discoveries() -> Types:
    """Kinds of node discovery: `druid.discovery.type`.

    Returns classes of `nemeton.spi.DiscoveryKind`, made by the injector, one per role.

    Used by: every role; from its start on, and from any thread.

    Example::

        @hookimpl
        def discoveries():
            return [lazy("consul", "acme.consul:ConsulDiscovery")]
    """


@hookspec
def leader_selectors() -> Types:
    """Kinds of leader election: `druid.coordinator.selector.type`, `druid.indexer.selector.type`.

    Returns classes of `nemeton.spi.LeaderSelectorKind`, made by the injector.

    Used by: Coordinators and Overlords, which take part, and whoever looks for the leader.

    Example::

        @hookimpl
        def leader_selectors():
            return [lazy("consul", "acme.consul:ConsulLeaderSelectors")]
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
def emitters() -> Types:
    """Places that metrics and alerts go to: `druid.emitter`.

    Returns classes of `nemeton.spi.Emitter`, made by the injector.

    Used by: every role; events come from one thread of the emitter's own, out of a bounded buffer.

    Example::

        @hookimpl
        def emitters():
            return [lazy("statsd", "acme.statsd:StatsdEmitter")]
    """


@hookspec
def authenticators() -> Types:
    """Proofs of identity: `druid.auth.authenticatorChain`, `druid.auth.authenticator.<name>.type`.

    Returns classes of `nemeton.spi.Authenticator`; an object's fields come from `druid.auth.authenticator.<name>.*`.

    Used by: every role, on the event loop of its HTTP server: an authenticator must not block.

    Example::

        @hookimpl
        def authenticators():
            return [lazy("token", "acme.auth:TokenAuthenticator")]
    """


@hookspec
def authorizers() -> Types:
    """Decisions on what an identity may do: `druid.auth.authorizers`, `druid.auth.authorizer.<name>.type`.

    Returns classes of `nemeton.spi.Authorizer`; an object's fields come from `druid.auth.authorizer.<name>.*`.

    Used by: every role, on the event loop and on handler threads.

    Example::

        @hookimpl
        def authorizers():
            return [lazy("opa", "acme.auth:OpaAuthorizer")]
    """


@hookspec
def escalators() -> Types:
    """Identities of the cluster's own requests: `druid.escalator.type`.

    Returns classes of `nemeton.spi.Escalator`; an object's fields come from `druid.escalator.*`.

    Used by: every role, for each request to another role, on any thread.

    Example::

        @hookimpl
        def escalators():
            return [lazy("token", "acme.auth:TokenEscalator")]
    """


@hookspec
def password_providers() -> Types:
    """Sources of secrets: the `type` of a password in the configuration.

    Returns classes of `nemeton.config.passwords.PasswordProvider`.

    Used by: every role, when a connection needs the secret, on any thread; the secret is never logged.

    Example::

        @hookimpl
        def password_providers():
            return [lazy("vault", "acme.vault:VaultPasswordProvider")]
    """


@hookspec(kind="objects")
def http_resources(role: str) -> Sequence[type]:
    """HTTP resources that a role serves beside its own.

    `role` is the role's name, such as `"broker"`. Returns classes of `nemeton.spi.Resource`, made by the role's
    injector; each of their routes has to say what access it wants.

    Used by: every role; the hook is called once per role, when its HTTP application is made; handlers run on a thread
    pool, or, when they are `async def`, on the event loop.

    Example::

        class FairShareResource(Resource):
            @route("GET", "/acme/fairShare", access=state_read)
            def show(self, request: Request) -> dict[str, int]:
                return {"maxPerDatasource": 4}

        @hookimpl
        def http_resources(role):
            return [FairShareResource] if role == "overlord" else []
    """


@hookspec(kind="objects")
def cli_commands() -> Sequence[CliCommand]:
    """Commands of the `nemeton` program.

    Returns `nemeton.spi.CliCommand` objects, which name the click command and do not import it.

    Used by: the `nemeton` program, when a command is looked up that core does not have.

    Example::

        @hookimpl
        def cli_commands():
            return [CliCommand("acme-check", "acme.cli:check", "Check the acme store.")]
    """


@hookspec
def coordinator_duties() -> Types:
    """Work that the Coordinator does in each run: custom duty groups.

    Returns classes of `nemeton.spi.CoordinatorDuty`.

    Used by: the leading Coordinator, on the thread of the duty's group, over one immutable snapshot of the cluster.

    Example::

        @hookimpl
        def coordinator_duties():
            return [lazy("acmeTidy", "acme.duties:TidyDuty")]
    """
