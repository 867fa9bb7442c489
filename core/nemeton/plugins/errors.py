"""What can be wrong with an extension."""

from __future__ import annotations

from nemeton.common.errors import DruidException


class ExtensionError(DruidException):
    """An extension cannot be loaded: which one, why, and what mends it."""

    def __init__(self, extension: str, cause: str, mend: str) -> None:
        """The message is one sentence each for cause and mend."""
        super().__init__(
            f"Extension [{extension}]: {cause}. {mend}.",
            error_code="extension",
            persona="OPERATOR",
            category="INVALID_INPUT",
            context={"extension": extension},
        )
        self.extension = extension
        self.cause = cause
        self.mend = mend
