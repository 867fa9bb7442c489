"""What can be wrong with an extension."""

from __future__ import annotations

import traceback
from pathlib import Path

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


def where_raised(error: BaseException, module: str) -> str:
    """`` (file.py, line N)``: the last line below ``module`` that led to the error; empty where there is none.

    A mistake in one's own module is the commonest fault of all, and the messages here are shown without a traceback.
    """
    root = module.partition(":")[0].partition(".")[0]
    lines = [
        f" ({Path(frame.f_code.co_filename).name}, line {number})"
        for frame, number in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).partition(".")[0] == root
    ]
    return lines[-1] if lines and root != "nemeton" else ""
