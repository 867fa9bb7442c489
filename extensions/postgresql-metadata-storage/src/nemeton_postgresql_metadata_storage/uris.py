"""From ``connectURI``, in JDBC's spelling or SQLAlchemy's, to SQLAlchemy's URL with libpq's parameters."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from nemeton.common.errors import DruidException, invalid_input
from nemeton.metadata.uris import shown

if TYPE_CHECKING:
    from sqlalchemy import URL

log = logging.getLogger(__name__)

DRIVER = "postgresql+psycopg"
SOCKET_TIMEOUT = "socketTimeout"
"""Seconds; the one parameter of the URL that is not libpq's: the engine takes it out."""

_PROPERTY = "druid.metadata.storage.connector.connectURI"
_DEFAULTS = {"connect_timeout": "10", "application_name": "nemeton"}
_FROM_JDBC = {
    "ApplicationName": "application_name",
    "connectTimeout": "connect_timeout",
    "loginTimeout": "connect_timeout",
    "options": "options",
    "sslcert": "sslcert",
    "sslkey": "sslkey",
    "sslmode": "sslmode",
    "sslpassword": "sslpassword",
    "sslrootcert": "sslrootcert",
    SOCKET_TIMEOUT: SOCKET_TIMEOUT,
}
_TARGETS = {
    "any": "any",
    "primary": "primary",
    "master": "primary",
    "secondary": "standby",
    "slave": "standby",
    "preferSecondary": "prefer-standby",
    "preferSlave": "prefer-standby",
}


def make_url(connect_uri: str | None, user: str | None, password: str | None, more: Mapping[str, str]) -> URL:
    """Return the URL. ``user`` and ``password`` stand in where the URI has none; ``more`` are libpq's parameters.

    Raises ``invalidInput`` for what is no URI of PostgreSQL.
    """
    if not connect_uri:
        raise invalid_input(f"{_PROPERTY} must be set, as jdbc:postgresql://host:5432/druid", property=_PROPERTY)
    if connect_uri.startswith("jdbc:postgresql:"):
        url = _from_jdbc(connect_uri.removeprefix("jdbc:postgresql:"))
    elif re.match(r"postgresql(\+psycopg)?:", connect_uri):
        url = _from_sqlalchemy(connect_uri)
    else:
        raise _bad(connect_uri)
    if url.username is None:
        url = url.set(username=user)
    if url.password is None:
        url = url.set(password=password)
    return url.set(query={**_DEFAULTS, **more, **url.query})


def _bad(connect_uri: str) -> DruidException:
    return invalid_input(
        f"{_PROPERTY}: [{shown(connect_uri)}] is no URI for the store type postgresql; "
        f"write jdbc:postgresql://host:port/database or {DRIVER}://host:port/database",
        property=_PROPERTY,
    )


def _from_sqlalchemy(uri: str) -> URL:
    import sqlalchemy

    try:
        return sqlalchemy.make_url(uri).set(drivername=DRIVER)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise _bad(uri) from None


def _from_jdbc(rest: str) -> URL:
    """``//host:port,host:port/database?parameters``, or ``database?parameters`` for localhost."""
    from sqlalchemy import URL

    match = re.fullmatch(r"(?://([^/?]*)/?|/?)([^?]*)(?:\?(.*))?", rest, re.DOTALL)
    if match is None:
        raise _bad(f"jdbc:postgresql:{rest}")
    hosts, database, text = match[1] or "localhost", unquote(match[2]), match[3] or ""
    given = dict(parse_qsl(text, keep_blank_values=True))
    query: dict[str, str | tuple[str, ...]] = {**_parameters(given)}
    host: str | None = None
    port: int | None = None
    try:
        if "," in hosts:
            query["host"] = tuple(hosts.split(","))
        else:
            host, port = _host_and_port(hosts)
    except ValueError:
        raise _bad(f"jdbc:postgresql:{rest}") from None
    return URL.create(
        DRIVER,
        username=given.get("user"),
        password=given.get("password"),
        host=host,
        port=port,
        database=database or None,
        query=query,
    )


def _host_and_port(text: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"\[(.+)\](?::(\d+))?|([^:]*)(?::(\d+))?", text)
    if match is None:
        raise ValueError(text)
    port = match[2] or match[4]
    return match[1] or match[3] or "localhost", int(port) if port else None


def _parameters(given: Mapping[str, str]) -> dict[str, str]:
    """libpq's parameters for JDBC's."""
    found: dict[str, str] = {}
    for name, value in given.items():
        if name in _FROM_JDBC:
            found[_FROM_JDBC[name]] = value
        elif name == "ssl":
            if value.lower() != "false":
                found.setdefault("sslmode", given.get("sslmode", "verify-full"))
        elif name == "currentSchema":
            found["options"] = f"{found.get('options', '')} -c search_path={value}".strip()
        elif name == "targetServerType" and value in _TARGETS:
            found["target_session_attrs"] = _TARGETS[value]
        elif name == "tcpKeepAlive":
            found["keepalives"] = "0" if value.lower() == "false" else "1"
        elif name not in ("user", "password"):
            log.warning("%s: the parameter [%s] of the JDBC driver means nothing here", _PROPERTY, name)
    return found
