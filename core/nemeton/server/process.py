"""A process with one or more roles: one parent injector, and for each role an injector and a lifecycle of its own."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence

import psutil
from attrs import frozen

from nemeton.common.clock import Clock, SystemClock
from nemeton.common.errors import DruidException
from nemeton.config import ConfigurationError, JsonConfigurator, Properties
from nemeton.config.problems import Problem
from nemeton.inject import Binder, Injector, Module
from nemeton.json import Json
from nemeton.lifecycle import Lifecycle
from nemeton.plugins import Extensions, TypeRegistry, load_extensions
from nemeton.server.builtin import BUILTIN_EXTENSIONS
from nemeton.server.node import STARTUP_LOGGING, StartupLoggingConfig
from nemeton.server.roles import ServerRole
from nemeton.server.validation import check_unread

log = logging.getLogger(__name__)


@frozen
class RoleSettings:
    """A role and the properties that it runs with."""

    role: ServerRole
    properties: Properties


class ProcessModule(Module):
    """What a process has once, whatever roles it has."""

    def __init__(self, extensions: Extensions, json: Json, clock: Clock) -> None:
        self.extensions = extensions
        self.json = json
        self.clock = clock

    def configure(self, binder: Binder) -> None:
        """Bind clock, extensions, registry and JSON, and the hub through which roles of one process find each other."""
        from nemeton.discovery.module import ProcessDiscoveryModule
        from nemeton.http.module import ProcessHttpModule
        from nemeton.metadata.changes import SegmentChangeHub

        binder.bind(Clock, instance=self.clock)
        binder.bind(Extensions, instance=self.extensions)
        binder.bind(TypeRegistry, instance=self.extensions.registry)
        binder.bind(Json, instance=self.json)
        binder.bind(SegmentChangeHub)
        binder.install(ProcessDiscoveryModule())
        binder.install(ProcessHttpModule())
        self._enter_expression_functions()

    def _enter_expression_functions(self) -> None:
        if self.extensions.registry.entries_of_hook("expression_functions"):  # queries and transforms want them
            from nemeton.query.engine import add_functions

            add_functions(self.extensions.registry)


class _RoleModule(Module):
    def __init__(self, role: ServerRole) -> None:
        self.role = role

    def configure(self, binder: Binder) -> None:
        binder.bind(ServerRole, instance=self.role)


class ServerProcess:
    """Builds and runs roles. Start and stop it once; not thread-safe but for `request_stop`.

    Raises `ConfigurationError`, `InjectionError` or an `ExtensionError`, each with every fault, before anything starts.
    """

    def __init__(self, settings: Sequence[RoleSettings], *, clock: Clock | None = None) -> None:
        common = settings[0].properties
        self.extensions = load_extensions(common, BUILTIN_EXTENSIONS)
        json = Json(self.extensions.registry)
        self._process_lifecycle = Lifecycle("process")
        self._process = Injector(
            [ProcessModule(self.extensions, json, clock or SystemClock())],
            configurator=JsonConfigurator(common, json),
            lifecycle=self._process_lifecycle,
            eagerly=False,
            name="process",
        )
        self.injectors: dict[str, Injector] = {}
        self._lifecycles: list[Lifecycle] = []
        self.ignored = self._make_roles(_without_played(settings))
        """Properties that Druid knows and that mean nothing here."""
        self._common = common

    def _make_roles(self, settings: Sequence[RoleSettings]) -> list[str]:
        """Make the injectors of all roles; the faults of all their properties are told in one error."""
        problems: list[Problem] = []
        for setting in settings:
            try:
                self.injectors[setting.role.name] = self._role_injector(setting)
            except ConfigurationError as error:
                problems += error.problems
        ignored: list[str] = []
        try:
            ignored = check_unread([setting.properties for setting in settings], self.injectors, self.extensions)
        except ConfigurationError as error:
            problems += error.problems
        if problems:
            raise ConfigurationError(dict.fromkeys(problems))
        return ignored

    def _role_injector(self, setting: RoleSettings) -> Injector:
        role = setting.role.configured(setting.properties)
        lifecycle = Lifecycle(role.name)
        self._lifecycles.append(lifecycle)
        # fields of JSON types that are injected come from the role that reads them
        json = Json(self.extensions.registry)
        json.injector = Injector(
            [*role.modules(), *self._extension_modules(role), _RoleModule(role)],
            configurator=JsonConfigurator(setting.properties, json),
            parent=self._process,
            lifecycle=lifecycle,
            given={Json: json},
            name=role.name,
            eagerly=False,
        )
        return json.injector

    def _extension_modules(self, role: ServerRole) -> Iterator[Module]:
        for name in role.names:
            yield from self.extensions.modules(name)

    def start(self) -> None:
        """Start all roles in the order given; if one fails, those that had started are stopped and it propagates."""
        from nemeton.http.server import require_free_ports
        from nemeton.model import DruidNode

        _log_start(self._common, self.ignored)
        require_free_ports(injector.get(DruidNode) for injector in self.injectors.values())
        started: list[Lifecycle] = []
        try:
            self._start(self._process, self._process_lifecycle, started)
            for injector, lifecycle in zip(self.injectors.values(), self._lifecycles, strict=True):
                self._start(injector, lifecycle, started)
        except BaseException as error:
            # what an operator can mend is told by whoever called, without a traceback
            log.error("Error when starting up. Failing.", exc_info=not isinstance(error, DruidException | OSError))
            _stop(started)
            raise

    @staticmethod
    def _start(injector: Injector, lifecycle: Lifecycle, started: list[Lifecycle]) -> None:
        injector.build_eager()
        lifecycle.start()
        started.append(lifecycle)

    def stop(self) -> None:
        """Stop all roles, the last started first; failures are logged."""
        _stop([self._process_lifecycle, *self._lifecycles])

    def join(self, *, stop_within_s: float = 60.0, once_heard: Callable[[], None] | None = None) -> None:
        """Block until SIGTERM, SIGINT or `request_stop`, then stop all within the bound; see `Lifecycle.join`."""
        outer = Lifecycle("main")
        outer.add_handler(_Stopper(self))
        self._outer = outer
        outer.start()
        outer.join(stop_within_s=stop_within_s, once_heard=once_heard)

    @property
    def stop_patience_s(self) -> float:
        """Seconds that the roles may need for their stop beyond the usual, now."""
        return sum(lifecycle.stop_patience_s for lifecycle in [self._process_lifecycle, *self._lifecycles])

    def request_stop(self) -> None:
        """Let `join` stop everything and return; from any thread."""
        self._outer.request_stop()

    def urls(self) -> Mapping[str, str]:
        """Where each role listens; a Coordinator that is the Overlord too stands under both names."""
        from nemeton.model import DruidNode

        return {
            name: injector.get(DruidNode).service_url
            for injector in self.injectors.values()
            for name in injector.get(ServerRole).names
        }


def _without_played(settings: Sequence[RoleSettings]) -> list[RoleSettings]:
    """All but the roles that another one of them plays too: an Overlord beside a Coordinator that is the Overlord."""
    played: set[str] = set()
    for setting in settings:
        with contextlib.suppress(ConfigurationError):  # told with all others when the role is made
            played.update(setting.role.configured(setting.properties).also)
    return [setting for setting in settings if setting.role.name not in played]


class _Stopper:
    def __init__(self, process: ServerProcess) -> None:
        self._process = process

    def start(self) -> None:
        pass

    def stop(self) -> None:
        self._process.stop()

    @property
    def stop_patience_s(self) -> float:
        return self._process.stop_patience_s


def _stop(lifecycles: Sequence[Lifecycle]) -> None:
    for lifecycle in reversed(lifecycles):
        try:
            lifecycle.stop()
        except Exception:
            log.exception("Role [%s] did not stop cleanly", lifecycle.name)


def _log_start(properties: Properties, ignored: Sequence[str]) -> None:
    config = JsonConfigurator(properties).configurate(STARTUP_LOGGING, StartupLoggingConfig)
    memory = psutil.virtual_memory()
    log.info(
        "Starting with [%d] processors and [%d] MiB of memory, of which [%d] MiB are available%s",
        os.cpu_count() or 1,
        memory.total >> 20,
        memory.available >> 20,
        _limit(),
    )
    if ignored:
        log.info("These properties of Druid have no meaning here and are ignored: %s", ", ".join(ignored))
    level = logging.INFO if config.log_properties else logging.DEBUG
    for key, value in properties.shown().items():
        log.log(level, "* %s: %s", key, value)


def _limit() -> str:
    """What the process may take at most, where that is bounded and can be asked for (Druid: heap and direct memory)."""
    try:
        limit = psutil.Process().rlimit(psutil.RLIMIT_AS)[0]
    except (AttributeError, OSError, psutil.Error):
        return ""
    return f", and [{limit >> 20}] MiB at most for this process" if limit > 0 else ""
