"""Recorded answers of Druid's HTTP API, and how an answer of ours is held against one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from attrs import frozen

FOLDER = Path(__file__).parents[1] / "data" / "reference" / "api"

#: What differs from run to run; the zero of time, which Druid shows for times it does not know, is kept.
_VOLATILE = (
    (re.compile(r"(?!1970-)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"(?<=_)[a-p]{8}(?=_)"), "<random>"),
    (re.compile(r"(localhost|127\.0\.0\.1):\d{2,5}"), "<server>"),
    (re.compile(r"(\$\{DRUID_VAR\}|/)[^\s\"]*/index[^\s\"]*"), "<segment files>"),
)
#: Keys of maps from names to things, as far as the recordings have them; the rest are fields.
_NAME = re.compile(r".*[:/<>].*|_default|.*_tier|(wiki|noop|events|index|apidemo|ruledemo).*|x|\d+")
#: Numbers of the machine and the moment; all others are compared.
_MEASURED = re.compile(
    r"\.(memory\.\w+|duration|port|plaintextPort|maxSize|capacity|\w+Capacity|currCapacityUsed|processedBytes|\w+Millis|runTime)$"
)


@frozen
class Answer:
    """What a server said."""

    status: int
    content_type: str | None
    text: str


@frozen
class Recording:
    """One request and Druid's answer to it."""

    file: str
    index: int
    entry: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.file}-{self.index}"

    @property
    def request(self) -> str:
        return f"{self.entry['method']} {self.entry['service']} {self.entry['path']}"

    @property
    def payload(self) -> bytes | None:
        if "raw_body" in self.entry:
            return str(self.entry["raw_body"]).encode()
        return json.dumps(self.entry["body"]).encode() if "body" in self.entry else None

    def difference(self, answer: Answer, relaxed: tuple[str, ...] = ()) -> str | None:
        """Why the answer is not Druid's; None if it is. Values at the relaxed paths (patterns) are of any kind."""
        entry = self.entry
        if answer.status != entry["status"]:
            return f"status {entry['status']}, not {answer.status}: {answer.text[:200]}"
        if _media(answer.content_type) != _media(entry["content_type"]):
            return f"content type {entry['content_type']}, not {answer.content_type}"
        if entry.get("cut"):
            return None
        if "html" in entry:
            return None if answer.text.startswith("<html>") else f"HTML, not {answer.text[:200]}"
        if "text" in entry:
            pattern = [re.compile(each) for each in relaxed]
            return _difference(entry["text"], answer.text, "$", pattern)
        try:
            got = json.loads(answer.text)
        except ValueError:
            return f"JSON, not {answer.text[:200]!r}"
        return _difference(entry["json"], got, "$", [re.compile(each) for each in relaxed])


def load(file: str) -> list[Recording]:
    entries = json.loads((FOLDER / f"{file}.json").read_text(encoding="utf-8"))
    return [Recording(file, index, entry) for index, entry in enumerate(entries)]


def _media(content_type: str | None) -> str:
    return (content_type or "").replace(" ", "").lower()


def _scrub(text: str) -> str:
    for pattern, name in _VOLATILE:
        text = pattern.sub(name, text)
    return text


def _difference(expected: Any, got: Any, path: str, relaxed: list[re.Pattern[str]]) -> str | None:
    if any(pattern.fullmatch(path) for pattern in relaxed):
        return None
    if type(expected) is not type(got):
        return f"{path}: {_short(expected)}, not {_short(got)}"
    if isinstance(expected, dict):
        return _difference_of_objects(expected, got, path, relaxed)
    if isinstance(expected, list):
        return _difference_of_lists(expected, got, path, relaxed)
    if isinstance(expected, str):
        return _difference_of_texts(expected, got, path, relaxed)
    if isinstance(expected, int | float) and not isinstance(expected, bool) and _MEASURED.search(path):
        return None
    return None if expected == got else f"{path}: {expected}, not {got}"


def _difference_of_objects(expected: Any, got: Any, path: str, relaxed: list[re.Pattern[str]]) -> str | None:
    if expected and all(_NAME.fullmatch(key) for key in [*expected, *got]):
        return _difference_of_lists(list(expected.values()), list(got.values()), path, relaxed)
    if missing := [key for key in expected if key not in got and not _relaxed(f"{path}.{key}", relaxed)]:
        return f"{path}: lacks {', '.join(missing)}"
    if additional := [key for key in got if key not in expected and not _relaxed(f"{path}.{key}", relaxed)]:
        return f"{path}: has {', '.join(additional)} too"
    both = (key for key in expected if key in got)
    return next(filter(None, (_difference(expected[key], got[key], f"{path}.{key}", relaxed) for key in both)), None)


def _relaxed(path: str, relaxed: list[re.Pattern[str]]) -> bool:
    return any(pattern.fullmatch(path) for pattern in relaxed)


def _difference_of_lists(expected: Any, got: Any, path: str, relaxed: list[re.Pattern[str]]) -> str | None:
    """As many items (unless ``path#`` is relaxed), and each of ours like one of Druid's, in whatever order."""
    if bool(expected) != bool(got) or (len(expected) != len(got) and not _relaxed(f"{path}#", relaxed)):
        return f"{path}: {len(expected)} items, not {len(got)}: {_short(got)}"
    for item in got:
        found = [_difference(each, item, f"{path}[]", relaxed) for each in expected]
        if all(found):
            return min(found, key=lambda why: -(why or "").count("."))  # from the item that is like it the longest
    return None


def _difference_of_texts(expected: str, got: str, path: str, relaxed: list[re.Pattern[str]]) -> str | None:
    if _scrub(expected) == _scrub(got):
        return None
    if expected[:2] in ('{"', "[{") and got[:2] in ('{"', "[{"):  # JSON in a text, as audits keep it
        return _difference(json.loads(expected), json.loads(got), path, relaxed)
    return f"{path}: {_scrub(expected)[:300]!r}, not {_scrub(got)[:300]!r}"


def _short(value: Any) -> str:
    return json.dumps(value)[:200]
