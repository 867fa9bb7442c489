"""Where passwords come from (Druid's ``PasswordProvider``)."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import Any

from attrs import field, frozen

from nemeton.plugins import extension_point, json_type


def _plain(value: Any) -> dict[str, Any] | None:
    return {"type": "default", "password": value} if isinstance(value, str) else None


@extension_point(hook="password_providers", name="password provider", shorthand=_plain)
class PasswordProvider(ABC):
    """Gives a password when it is needed, so that configuration need not hold it.

    In JSON a plain string is the password itself; ``{"type":"environment","variable":"X"}`` reads a variable.
    """

    @abstractmethod
    def get_password(self) -> str | None:
        """The password now, or None if there is none. May be asked from any thread, more than once."""


@json_type("default")
@frozen
class DefaultPasswordProvider(PasswordProvider):
    """The password stands in the configuration."""

    password: str | None = field(default=None, repr=False)

    def get_password(self) -> str | None:
        """The password as configured."""
        return self.password

    def to_json(self, _json: Any) -> dict[str, Any]:
        """Never write the password back out."""
        return {"type": "default"}


@json_type("environment")
@frozen
class EnvironmentVariablePasswordProvider(PasswordProvider):
    """The password stands in an environment variable."""

    variable: str

    def get_password(self) -> str | None:
        """The variable's value; None if it is not set."""
        return os.environ.get(self.variable)
