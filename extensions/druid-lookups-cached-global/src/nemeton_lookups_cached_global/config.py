"""The properties of the extension, with Druid's names and defaults."""

from __future__ import annotations

from attrs import field, frozen, validators


@frozen(kw_only=True)
class NamespaceExtractionConfig:
    """``druid.lookup.namespace.*``: how many lookups are read at a time."""

    num_extraction_threads: int = field(default=2, validator=validators.ge(1))


@frozen(kw_only=True)
class JdbcAccessSecurityConfig:
    """``druid.access.jdbc.*``: which parameters the address of a database may have, for it says whom to talk to."""

    allowed_properties: list[str] = field(factory=lambda: ["useSSL", "requireSSL", "ssl", "sslmode"])
    enforce_allowed_properties: bool = True
