"""Binds a role's HTTP server, and what the servers of a process share."""

from __future__ import annotations

from nemeton.http.app import RoleApp
from nemeton.http.auth import AuthChain
from nemeton.http.client import EscalatedHttpClient, HttpClient
from nemeton.http.config import ServerConfig
from nemeton.http.loop import EventLoopThread
from nemeton.http.monitor import HttpMonitor
from nemeton.http.redirect import LeaderRedirect
from nemeton.http.security import AuthConfig, EscalatorConfig, make_auth_chain, make_escalator
from nemeton.http.server import HttpServer
from nemeton.http.standard import StatusResource
from nemeton.inject import Binder, Injector, Module
from nemeton.json import Json
from nemeton.lifecycle import Stage
from nemeton.model import DruidNode, NodeRole
from nemeton.plugins import Extensions
from nemeton.spi.auth import Escalator
from nemeton.spi.http import Resource
from nemeton.spi.monitors import Monitor


class ProcessHttpModule(Module):
    """The event loop and the connections that all roles of a process share."""

    def configure(self, binder: Binder) -> None:
        """Both live from the first stage to the end."""
        binder.bind(EventLoopThread, provider=_make_loop)
        binder.manage_lifecycle(EventLoopThread, stage=Stage.INIT)
        binder.bind(HttpClient, provider=_make_client)
        binder.manage_lifecycle(HttpClient, stage=Stage.INIT)


class HttpModule(Module):
    """One role's server. Modules add to it with ``bind_set(Resource)`` and ``bind_set(LeaderRedirect)``."""

    def configure(self, binder: Binder) -> None:
        """``druid.server.http.*``, ``druid.auth.*`` and ``druid.escalator.*``; the server starts when all else has."""
        binder.bind_config("druid.server.http", ServerConfig)
        binder.bind_config("druid.auth", AuthConfig)
        binder.declare_property("druid.auth.authenticator.*")
        binder.declare_property("druid.auth.authorizer.*")
        binder.bind_config("druid.escalator", EscalatorConfig)
        binder.declare_property("druid.escalator.*")
        binder.bind(Escalator, provider=make_escalator)
        binder.bind(EscalatedHttpClient, provider=_make_escalated_client)
        binder.bind(AuthChain, provider=make_auth_chain)
        binder.bind_set(Resource).add(StatusResource)
        binder.bind_set(LeaderRedirect)
        binder.bind_set(NodeRole)
        binder.bind(RoleApp, provider=_make_app)
        binder.bind(HttpServer, provider=_make_server)
        binder.manage_lifecycle(HttpServer, stage=Stage.SERVER)
        binder.bind_set(Monitor).add(HttpMonitor)


def _make_loop() -> EventLoopThread:
    return EventLoopThread()


def _make_client(json: Json) -> HttpClient:
    return HttpClient(json=json)


def _make_escalated_client(client: HttpClient, escalator: Escalator) -> EscalatedHttpClient:
    return EscalatedHttpClient(client, escalator)


def _make_app(
    resources: list[Resource],
    redirects: list[LeaderRedirect],
    roles: list[NodeRole],
    node: DruidNode,
    config: ServerConfig,
    auth: AuthChain,
    json: Json,
    injector: Injector,
    extensions: Extensions | None = None,
) -> RoleApp:
    added = [
        injector.create(cls)
        for role in roles
        for cls in (extensions.collect("http_resources", role=role.json_name) if extensions else ())
    ]
    return RoleApp(
        [*resources, *added],
        name=node.service_name,
        host=node.host_and_port_to_use,
        config=config,
        json=json,
        auth=auth,
        redirects=redirects,
    )


def _make_server(app: RoleApp, loop: EventLoopThread, node: DruidNode) -> HttpServer:
    return HttpServer(
        app,
        loop,
        host=node.host,
        port=node.plaintext_port,
        bind_host=node.host if node.bind_on_host else None,
        name=node.service_name,
    )
