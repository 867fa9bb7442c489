"""The manual's pages for authors of extensions are true: the tutorial works, the reference is up to date."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

from nemeton.spi.reference import reference

DOCS = Path(__file__).parents[3] / "docs" / "extensions"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Pages whose files and commands are run, each from an empty folder; one that is added is run, too.
WALKS = ["tutorial.md", *sorted(page.name for page in DOCS.glob("writing-*.md"))]
PAGES = ["guide.md", "hooks.md", *WALKS]
FILE_NAME = re.compile(r"`([\w./-]+)`:\s*$")


@frozen
class Block:
    language: str
    text: str
    file: str | None


def blocks(page: str) -> Iterator[Block]:
    text = (DOCS / page).read_text()
    for match in FENCE.finditer(text):
        before = text[: match.start()].rstrip().splitlines()[-1]
        named = FILE_NAME.search(before)
        yield Block(match[1], match[2], named[1] if named else None)


def commands(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Each command of a console block with the lines that it should print; ``…`` stands for any text."""
    command: str | None = None
    printed: list[str] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            if command is not None:
                yield command, printed
            command, printed = line[2:], []
        else:
            printed.append(line)
    if command is not None:
        yield command, printed


@pytest.mark.parametrize("page", WALKS)
def test_the_page_works_from_an_empty_folder(page, tmp_path, environment):
    cwd = tmp_path
    steps = list(blocks(page))
    assert {"console", "toml", "ini", "python"} == {block.language for block in steps}
    for block in steps:
        if block.language != "console":
            assert block.file is not None, f"say which file this is:\n{block.text}"
            (cwd / block.file).write_text(block.text)
            continue
        for command, expected in commands(block):
            if command.startswith("cd "):
                cwd = cwd / command[3:]
                continue
            told = environment.run(command, cwd)
            pattern = r"[\s\S]*".join(re.escape(part) for part in "\n".join(expected).split("…"))
            assert re.search(pattern, told), f"$ {command}\n{told}\n--- does not show ---\n" + "\n".join(expected)


@pytest.mark.parametrize("page", PAGES)
def test_python_on_the_pages_is_python(page):
    for block in blocks(page):
        if block.language == "python":
            ast.parse(block.text)


@pytest.mark.parametrize("page", PAGES)
def test_links_between_the_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([\w./-]+\.md)(?:#[\w-]+)?\)", (DOCS / page).read_text()):
        assert (DOCS / target).is_file(), target


def test_the_hook_reference_is_up_to_date():
    wanted = "run: python -m nemeton.spi.reference > docs/extensions/hooks.md"
    assert (DOCS / "hooks.md").read_text() == reference(), wanted
