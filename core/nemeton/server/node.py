"""The process's own node: what it is called and where it listens."""

from __future__ import annotations

from attrs import field, frozen, validators

from nemeton.inject import Binder, Module
from nemeton.model import DruidNode

STARTUP_LOGGING = "druid.startup.logging"


@frozen
class DruidNodeConfig:
    """``druid.service``, ``druid.host``, ``druid.plaintextPort`` (alias ``druid.port``), ``druid.bindOnHost``."""

    service: str | None = None
    host: str = "localhost"
    plaintext_port: int | None = field(default=None, validator=validators.optional(validators.in_(range(65536))))
    port: int | None = None
    bind_on_host: bool = False


@frozen
class StartupLoggingConfig:
    """``druid.startup.logging.logProperties``: whether a start logs all properties, secrets hidden, at level INFO."""

    log_properties: bool = False


class NodeModule(Module):
    """Binds the role's `DruidNode`, with Druid's service name and port where the configuration gives none."""

    def __init__(self, service: str, port: int) -> None:
        self.service = service
        self.port = port

    def configure(self, binder: Binder) -> None:
        """The node under its configured service name and port, or else the defaults of the role."""
        binder.bind_config("druid", DruidNodeConfig)
        binder.bind_config(STARTUP_LOGGING, StartupLoggingConfig)
        service, port = self.service, self.port

        def make_node(config: DruidNodeConfig) -> DruidNode:
            listens = next((given for given in (config.plaintext_port, config.port) if given is not None), port)
            return DruidNode(
                service_name=config.service or service,
                host=config.host,
                plaintext_port=listens,
                bind_on_host=config.bind_on_host,
            )

        binder.bind(DruidNode, provider=make_node)
