"""Nothing is written twice: no two places of the product share ten or more lines of code."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINES = 10


def code_lines(file):
    """(line number, text) of what counts: no blank lines, comments, docstrings, imports or lone brackets."""
    source = file.read_text(encoding="utf-8")
    skipped = set()
    for node in ast.walk(ast.parse(source)):
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        if text or isinstance(node, ast.Import | ast.ImportFrom):
            skipped.update(range(node.lineno, node.end_lineno + 1))
    for number, line in enumerate(source.splitlines(), 1):
        stripped = line.strip()
        if number not in skipped and stripped.strip("()[]{},:") and not stripped.startswith("#"):
            yield number, stripped


def test_no_two_places_share_lines():
    seen = defaultdict(list)
    for folder in ("core", "extensions", "contrib", "benchmarks"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            if "templates" in file.parts or "build" in file.parts:
                continue
            lines = list(code_lines(file))
            for start in range(len(lines) - LINES + 1):
                window = lines[start : start + LINES]
                seen[tuple(text for _, text in window)].append(f"{file.relative_to(ROOT)}:{window[0][0]}")
    twice = [" = ".join(places) for places in seen.values() if len(places) > 1]
    assert not twice, "\n".join(twice)
