"""The manual: its links lead somewhere, its commands exist, and its list of properties is that of the code."""

import re
import shlex
from pathlib import Path

import click
import pytest

from nemeton.cli.commands import LazyGroup
from nemeton.cli.extension import cli_commands
from nemeton.server import reference

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
FENCE = re.compile(r"^```.*?^```", re.M | re.S)


def name_of(page):
    return str(page.relative_to(ROOT))


def links(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text))


def anchors(page):
    """The anchors that the headings of a page get where it is shown as HTML."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    found = set(re.findall(r'<a (?:id|name)="([^"]+)"', text))
    for heading in re.findall(r"^#+ (.+)$", text, re.M):
        shown = re.sub(r"[`*]", "", heading).strip().lower()
        found.add(re.sub(r"[^\w\- ]", "", shown).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), f"{name_of(page)}: {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{name_of(page)}: {link}"


def command_lines(page):
    """The `nemeton …` commands in fenced blocks, without the prompt, continued lines joined."""
    for block in FENCE.findall(page.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            found = re.match(r"(?:\$ )?(nemeton [^#|]*)", line.strip())
            if found:
                yield found[1].strip()


COMMANDS = [(name_of(page), line) for page in PAGES for line in command_lines(page)]


def parse(arguments):
    """Follow the words to a command and let it take its options; values and paths are not looked at."""
    command, context = LazyGroup("nemeton", cli_commands()), click.Context(click.Command("nemeton"))
    while isinstance(command, click.Group):
        assert arguments, "it ends with a group of commands"
        name, *arguments = arguments
        command = command.get_command(context, name)
        assert command is not None, f"there is no command [{name}]"
    command.make_parser(click.Context(command)).parse_args(list(arguments))


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=[f"{page}: {line}" for page, line in COMMANDS])
def test_commands_exist_with_their_options(page, line):
    parse(shlex.split(line)[1:])


def test_there_are_commands_to_look_at():
    assert len(COMMANDS) > 5
    with pytest.raises(AssertionError, match="no command"):
        parse(["quickstart-all"])
    with pytest.raises(click.UsageError):
        parse(["quickstart", "--no-such-option"])


def test_every_page_stands_in_the_index():
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        if page != DOCS / "README.md":
            assert f"]({page.relative_to(DOCS)})" in index, f"{name_of(page)} is missing in docs/README.md"


def test_the_list_of_properties_is_that_of_the_code():
    shown = (DOCS / "properties.md").read_text(encoding="utf-8")
    assert shown == reference.render(), "run: python -m nemeton.server.reference > docs/properties.md"
