"""When monitors run."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from attrs import field, frozen

from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.emitter.limited import RateLimitedWarning
from nemeton.emitter.monitors.names import MEANINGLESS, short_name
from nemeton.emitter.service import ServiceEmitter
from nemeton.inject import InjectionError, Injector
from nemeton.json import Json
from nemeton.lifecycle import lifecycle_start, lifecycle_stop
from nemeton.model import NodeRole
from nemeton.spi.monitors import Monitor
from nemeton.time import Period

log = logging.getLogger(__name__)

_ONE_MINUTE = Period.parse("PT1M")


@frozen
class MonitoringConfig:
    """Which monitors measure, by our names or by Druid's classes, and how often."""

    emission_period: Period = _ONE_MINUTE
    monitors: list[str] = field(factory=list)


class MonitorScheduler:
    """Runs a role's monitors, one after the other, once per emission period (Druid's class of the same name).

    Those that the properties name, and those that modules bind with ``bind_set(Monitor)``, which always run. With the
    emitter ``noop`` none is made.
    """

    def __init__(
        self,
        config: MonitoringConfig,
        bound: list[Monitor],
        roles: list[NodeRole],
        emitter: ServiceEmitter,
        injector: Injector,
        json: Json,
        clock: Clock,
    ) -> None:
        """Raises `DruidException` for a name that nobody registered."""
        self._period_s = config.emission_period.to_seconds()
        self._roles = {role.json_name for role in roles}
        self._emitter = emitter
        self._clock = clock
        self._failed = RateLimitedWarning(log, clock)
        self._executor: ScheduledExecutor | None = None
        self.monitors: list[Monitor] = [each for each in bound if self._is_for(type(each))]
        self.monitors += self._chosen(config.monitors, injector, json)

    def _chosen(self, names: list[str], injector: Injector, json: Json) -> Iterator[Monitor]:
        left_out, made = [], set(map(type, self.monitors))
        for name in dict.fromkeys(map(short_name, names)):
            if name in MEANINGLESS:
                left_out.append(name)
                continue
            cls = json.registry.get(Monitor, name)  # type: ignore[type-abstract]
            if cls not in made and self._is_for(cls):
                made.add(cls)
                yield from _made(cls, injector)
        if left_out:
            log.info("These monitors of Druid have nothing to measure here and are left out: %s", ", ".join(left_out))

    def _is_for(self, cls: type[Monitor]) -> bool:
        return (
            self._emitter.emits
            and (cls.roles is None or not self._roles.isdisjoint(cls.roles))
            and self._roles.isdisjoint(cls.not_in)
        )

    @lifecycle_start
    def start(self) -> None:
        """Begin; the first measurement is one period away."""
        if not self.monitors or self._executor is not None:
            return
        for monitor in self.monitors:
            self._safely(monitor, monitor.start)
        self._executor = ScheduledExecutor("monitors", self._clock)
        self._executor.schedule_with_fixed_delay(self.run, self._period_s, self._period_s)
        log.info("%d monitors run every %.0f s: %s", len(self.monitors), self._period_s, self._names())

    @lifecycle_stop
    def stop(self) -> None:
        """End; a monitor that is measuring may finish."""
        executor, self._executor = self._executor, None
        if executor is None:
            return
        executor.shutdown()
        for monitor in self.monitors:
            self._safely(monitor, monitor.stop)

    def run(self) -> None:
        """Let every monitor measure once."""
        for monitor in self.monitors:
            self._safely(monitor, lambda monitor=monitor: monitor.monitor(self._emitter))

    def _safely(self, monitor: Monitor, step: object) -> None:
        try:
            step()  # type: ignore[operator]
        except Exception as failure:  # noqa: BLE001 - the others go on, and so does this one next time
            self._failed.warn("%s failed: %r", type(monitor).__name__, failure)

    def _names(self) -> str:
        return ", ".join(type(monitor).__name__ for monitor in self.monitors)


def _made(cls: type[Monitor], injector: Injector) -> Iterator[Monitor]:
    """The monitor; none, with a warning, where this role has not what it measures."""
    try:
        yield injector.create(cls)
    except InjectionError as failure:
        log.warning("The monitor %s cannot be made here and is left out: %s", cls.__name__, failure)
