"""What can be wrong with an extension."""

from __future__ import annotations


class ExtensionError(Exception):
    """An extension cannot be loaded: which one, why, and what mends it."""

    def __init__(self, extension: str, cause: str, mend: str) -> None:
        """The message is one sentence each for cause and mend."""
        super().__init__(f"Extension [{extension}]: {cause}. {mend}.")
        self.extension = extension
        self.cause = cause
        self.mend = mend
