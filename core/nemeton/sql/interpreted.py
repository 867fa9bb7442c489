"""sqlglot as Python source, also where ``sqlglotc`` (``pip install sqlglot[c]``) is installed.

``sqlglotc`` lays compiled modules over sqlglot's. A class of Python cannot inherit from theirs (mypyc forbids it), and
our dialect inherits from sqlglot's parser. The sources stay beside the compiled modules: a finder takes them, for the
whole process. Other users of sqlglot in it get the same, only slower, sqlglot.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder, ModuleSpec, SourceFileLoader
from types import ModuleType

from nemeton.common.errors import DruidException

_PACKAGE = "sqlglot."


class SourceFinder:
    """Finds the modules within sqlglot in their sources only; what has none is left to the other finders."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As :meth:`importlib.abc.MetaPathFinder.find_spec`."""
        if not fullname.startswith(_PACKAGE):
            return None
        for folder in path or ():
            spec = FileFinder(folder, (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(fullname)
            if spec is not None and spec.loader is not None:
                return spec
        return None


_FINDER = SourceFinder()


def require_interpreted_sqlglot() -> None:
    """Have sqlglot imported from its sources from now on.

    Raises `DruidException` where somebody in this process has imported the compiled one already.
    """
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    if any(_is_compiled(name) for name in list(sys.modules) if name.startswith(_PACKAGE)):
        raise DruidException(
            "Druid SQL cannot use the compiled sqlglot that was imported in this process before. Uninstall it "
            "(pip uninstall sqlglotc), or import sqlglot only after "
            "nemeton.sql.interpreted.require_interpreted_sqlglot()",
            persona="OPERATOR",
            category="UNSUPPORTED",
        )


def _is_compiled(name: str) -> bool:
    return isinstance(getattr(getattr(sys.modules[name], "__spec__", None), "loader", None), ExtensionFileLoader)
