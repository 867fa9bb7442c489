"""``connectURI`` in Druid's spelling (JDBC) and in SQLAlchemy's."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from nemeton.common.errors import invalid_input

_PROPERTY = "druid.metadata.storage.connector.connectURI"


def to_sqlalchemy(connect_uri: str, *, jdbc: str, driver: str, user: str | None, password: str | None) -> str:
    """Return SQLAlchemy's URL for a server database.

    ``jdbc`` is the JDBC sub-protocol (``postgresql``), ``driver`` SQLAlchemy's name (``postgresql+psycopg``).
    ``user`` and ``password`` from the configuration stand in where the URI has none. JDBC's own parameters other than
    credentials mean nothing to Python's drivers and are dropped. Raises ``invalidInput`` for another database's URI.
    """
    match = re.fullmatch(r"jdbc:([a-z]+)://(.*)", connect_uri, re.DOTALL)
    if match is None and connect_uri.startswith(jdbc):
        return _with_credentials(connect_uri, user, password)
    if match is None or match[1] not in {jdbc, "mariadb" if jdbc == "mysql" else jdbc}:
        raise invalid_input(
            f"{_PROPERTY}: [{shown(connect_uri)}] is no URI for this store type; "
            f"write jdbc:{jdbc}://host:port/database or {driver}://host:port/database",
            property=_PROPERTY,
        )
    parts = urlsplit(f"x://{match[2]}")
    given = dict(pair.partition("=")[::2] for pair in parts.query.split("&") if pair)
    host = parts.netloc.rpartition("@")[2]
    return _with_credentials(
        f"{driver}://{host}{parts.path}", given.get("user") or user, given.get("password") or password
    )


def _with_credentials(url: str, user: str | None, password: str | None) -> str:
    scheme, _, rest = url.partition("://")
    if user is None or "@" in rest.partition("/")[0]:
        return url
    secret = f":{quote(password, safe='')}" if password is not None else ""
    return f"{scheme}://{quote(user, safe='')}{secret}@{rest}"


def shown(connect_uri: str) -> str:
    """The URI as it may be shown: without what could be a password."""
    without_user = re.sub(r"//[^/@]*@", "//", connect_uri)
    return without_user.partition("?")[0]


DERBY_MEND = (
    "derby needs Java and is not supported. Leave druid.metadata.storage.type and "
    "druid.metadata.storage.connector.connectURI out to get sqlite (one machine), or use postgresql or mysql with its "
    "extension."
)


def refuse_derby(type_or_uri: str) -> None:
    """Raise for Druid's embedded Java database, with what to do instead."""
    if type_or_uri == "derby" or type_or_uri.startswith("jdbc:derby"):
        raise invalid_input(f"druid.metadata.storage.type: {DERBY_MEND}", property="druid.metadata.storage.type")
