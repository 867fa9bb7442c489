from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

# The made packages import the small framework by name, as a third party's package imports nemeton.
sys.path.append(str(Path(__file__).parent))

PREAMBLE = """
from nemeton.plugins import hookimpl, json_type, lazy
from shape_framework import Shape
"""


class Packages:
    """Real distributions on sys.path: a module and a dist-info folder with its entry point."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.modules: list[str] = []

    def add(self, extension: str, code: str, *, distribution: str | None = None, module: str | None = None) -> str:
        distribution = distribution or f"acme-{extension}"
        module = module or distribution.replace("-", "_")
        (self.root / f"{module}.py").write_text(PREAMBLE + textwrap.dedent(code))
        info = self.root / f"{distribution.replace('-', '_')}-1.2.3.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2.3\n")
        (info / "entry_points.txt").write_text(f"[nemeton.extensions]\n{extension} = {module}\n")
        self.modules.append(module)
        return module

    def add_shape(self, extension: str, type_name: str, extra: str = "", **where: str) -> str:
        code = f"""
            {extra}
            @json_type("{type_name}")
            class {type_name.title()}(Shape):
                pass

            @hookimpl
            def shapes():
                return [{type_name.title()}]
        """
        return self.add(extension, code, **where)


@pytest.fixture
def packages(tmp_path: Path, only_extensions_in: Callable[[Path], None]):
    made = Packages(tmp_path / "site")
    made.root.mkdir()
    only_extensions_in(made.root)
    yield made
    for module in made.modules:
        sys.modules.pop(module, None)
