"""The properties of the extension, with Druid's names and defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import field, frozen, validators

from nemeton.config import PasswordProvider
from nemeton.time import Period

PREFIX = "druid.metadata.postgres"
SSL_PREFIX = f"{PREFIX}.ssl"

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_FACTORIES = {
    None: {},
    "org.postgresql.ssl.LibPQFactory": {},
    "org.postgresql.ssl.jdbc4.LibPQFactory": {},
    "org.postgresql.ssl.NonValidatingFactory": {"sslmode": "require"},
    "org.postgresql.ssl.DefaultJavaSSLFactory": {"sslrootcert": "system"},
}
"""What the driver's own factories mean to libpq."""


def _check_factory(_config: Any, _field: Any, value: str | None) -> None:
    if value not in _FACTORIES:
        known = ", ".join(name for name in _FACTORIES if name)
        raise ValueError(
            f"sslFactory [{value}] is a Java class; known are {known}. "
            "Set sslMode, sslCert, sslKey and sslRootCert instead"
        )


def _java_only(name: str, mend: str) -> Callable[[Any, Any, str | None], None]:
    def check(_config: Any, _field: Any, value: str | None) -> None:
        if value is not None:
            raise ValueError(f"{name} [{value}] is a Java class, which cannot be used here; {mend}")

    return check


def _positive(_config: Any, _field: Any, value: Period) -> None:
    if value.to_seconds() <= 0:
        raise ValueError("socketTimeout must be longer than nothing")


@frozen(kw_only=True)
class PostgreSqlTablesConfig:
    """``druid.metadata.postgres.*``: the tables' schema, and a bound on waiting.

    Without ``db_table_schema`` the session's ``search_path`` decides; that is ``public``, Druid's default, unless the
    user or the database says otherwise. ``socket_timeout`` bounds the wait for the server's answer to one statement;
    a connection that exceeds it is closed. JDBC's parameter of that name in connectURI comes first.
    """

    db_table_schema: str | None = None
    socket_timeout: Period = field(default=Period(minutes=1), validator=_positive)


@frozen(kw_only=True)
class PostgreSqlConnectorConfig:
    """``druid.metadata.postgres.ssl.*``: how the connection is encrypted; looked at when ``use_ssl`` is true.

    Without ``ssl_mode`` the server's certificate and name are verified (``verify-full``), as Druid's driver does.
    """

    use_ssl: bool = field(default=False, metadata={"property": "useSSL"})
    ssl_password: PasswordProvider | None = None
    ssl_factory: str | None = field(default=None, validator=_check_factory)
    ssl_factory_arg: str | None = field(default=None, validator=_java_only("sslFactoryArg", "leave it out"))
    ssl_mode: str | None = field(default=None, validator=validators.optional(validators.in_(SSL_MODES)))
    ssl_cert: str | None = None
    ssl_key: str | None = None
    ssl_root_cert: str | None = None
    ssl_host_name_verifier: str | None = field(
        default=None, validator=_java_only("sslHostNameVerifier", "sslMode=verify-ca takes any name")
    )
    ssl_password_callback: str | None = field(
        default=None, validator=_java_only("sslPasswordCallback", "give sslPassword a password provider")
    )

    def parameters(self) -> dict[str, str]:
        """libpq's parameters; none without ``use_ssl``."""
        if not self.use_ssl:
            return {}
        given = {
            "sslmode": self.ssl_mode,
            "sslcert": self.ssl_cert,
            "sslkey": self.ssl_key,
            "sslrootcert": self.ssl_root_cert,
            "sslpassword": self.ssl_password.get_password() if self.ssl_password is not None else None,
        }
        chosen = {name: value for name, value in given.items() if value is not None}
        return {"sslmode": "verify-full", **_FACTORIES[self.ssl_factory], **chosen}
