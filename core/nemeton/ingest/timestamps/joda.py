"""Joda-Time patterns: a parser for one text, and the layout of those that have a fixed width."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache

from attrs import define, field

from nemeton.common.errors import DruidException, invalid_input
from nemeton.time.instants import days_from_civil, days_in_month, is_leap, week_year_start
from nemeton.time.zones import zone

_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
ZONE_NAMES = {
    "UTC": "UTC", "GMT": "UTC", "UT": "UTC", "Z": "UTC", "EST": "America/New_York", "EDT": "America/New_York",
    "CST": "America/Chicago", "CDT": "America/Chicago", "MST": "America/Denver", "MDT": "America/Denver",
    "PST": "America/Los_Angeles", "PDT": "America/Los_Angeles",
}  # fmt: skip
_MAX_DIGITS = {"y": 9, "Y": 9, "x": 9, "C": 9, "D": 3, "w": 2, "e": 1}
_NUMBERS = frozenset("yYxCMdDwehHkKmsS")
_TOKEN = re.compile(r"'(?:[^']|'')*'|([A-Za-z])\1*|[^A-Za-z']+")
_DAY_MS = 86_400_000

Parser = Callable[[str], int]
"""From a text to milliseconds; raises ValueError."""


@define
class _Token:
    """A run of one pattern letter, or a literal text (then ``letter`` is empty)."""

    letter: str
    text: str
    width: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.width = len(self.text)

    @property
    def is_number(self) -> bool:
        """Whether it is written in digits."""
        return self.letter in _NUMBERS and not (self.letter == "M" and self.width >= 3)


def _tokens(pattern: str) -> list[_Token]:
    out: list[_Token] = []
    at = 0
    while at < len(pattern):
        match = _TOKEN.match(pattern, at)
        if match is None:
            raise invalid_input(f"Unable to parse timestamps with format [{pattern}]")
        text = match.group()
        if match.group(1):
            out.append(_Token(match.group(1), text))
        elif text.startswith("'"):
            out.append(_Token("", text[1:-1].replace("''", "'") or "'"))
        else:
            out.append(_Token("", text))
        at = match.end()
    return out


def fixed_layout(pattern: str) -> str | None:
    """The layout for `parse_fixed`, when the pattern has only date and time of day in fields of fixed width."""
    out = []
    for token in _tokens(pattern):
        if not token.letter:
            if any(c in "yMdHmsS" or ord(c) > 127 for c in token.text):
                return None
            out.append(token.text)
        elif (token.letter, token.width) in (("Y", 4), ("y", 4), ("M", 2), ("d", 2), ("H", 2), ("m", 2), ("s", 2)):
            out.append(token.text.replace("Y", "y"))
        elif token.letter == "S" and token.width <= 9:
            out.append(token.text)
        else:
            return None
    layout = "".join(out)
    # A field that occurs twice, or a year that digits follow, is better left to the slow way.
    runs = [run.group()[0] for run in re.finditer(r"([yMdHmsS])\1*", layout)]
    return layout if "y" in runs and len(runs) == len(set(runs)) else None


@lru_cache(maxsize=64)
def compile_pattern(pattern: str) -> Parser:
    """A parser for the pattern. Raises invalid_input for letters that it does not know."""
    tokens = _tokens(pattern)
    expression = re.compile("".join(_expression(tokens, i, pattern) for i in range(len(tokens))), re.IGNORECASE)
    letters = {f"{token.letter}{i}": token for i, token in enumerate(tokens) if token.letter}

    def parse(text: str) -> int:
        match = expression.fullmatch(text)
        if match is None:
            raise ValueError(f'Invalid format: "{text}"')
        found = _Fields()
        for name, token in letters.items():
            found.take(token, match[name])
        return found.instant()

    return parse


def _expression(tokens: list[_Token], i: int, pattern: str) -> str:
    token = tokens[i]
    if not token.letter:
        return re.escape(token.text)
    name = f"(?P<{token.letter}{i}>"
    followed = i + 1 < len(tokens) and tokens[i + 1].is_number
    if token.letter in "yYx" and token.width == 2:
        return name + (r"\d{2})" if followed else r"[+-]?\d{1,9})")
    if token.letter == "M" and token.width >= 3:
        return name + "|".join(f"{m}|{m[:3]}" for m in _MONTHS) + ")"
    if token.letter == "E":
        return name + "|".join(f"{d}|{d[:3]}" for d in _WEEKDAYS) + ")"
    if token.letter in _NUMBERS:
        most = token.width if followed or token.letter == "S" else max(_MAX_DIGITS.get(token.letter, 2), token.width)
        sign = "[+-]?" if token.letter in "yYx" and not followed else ""
        return name + rf"{sign}\d{{1,{most}}})"
    if token.letter == "a":
        return name + "am|pm)"
    if token.letter == "Z" and token.width < 3:
        return name + r"Z|[+-]\d{2}(?::?\d{2}(?::?\d{2})?)?)"
    if token.letter in "zZ":
        return name + r"[A-Za-z][A-Za-z0-9_+\-/]*)"
    if token.letter == "G":
        return name + "ad|bc|ce|bce)"
    raise invalid_input(f"Unable to parse timestamps with format [{pattern}]: Illegal pattern component: {token.text}")


@define
class _Fields:
    """What a text said, field by field."""

    values: dict[str, int] = field(factory=dict)
    fraction_ms: int = 0
    offset_ms: int | None = None
    zone_name: str | None = None

    def take(self, token: _Token, text: str) -> None:
        """Note one field."""
        letter = token.letter
        if letter in "yYx":
            self.values[letter] = _year(token, text)
        elif letter == "M" and token.width >= 3:
            self.values["M"] = [m[:3] for m in _MONTHS].index(text[:3].lower()) + 1
        elif letter == "E":
            self.values["e"] = [d[:3] for d in _WEEKDAYS].index(text[:3].lower()) + 1
        elif letter == "S":
            self.fraction_ms = int(text) * 1000 // 10 ** len(text)
        elif letter == "a":
            self.values["a"] = text.lower() == "pm"
        elif letter == "Z" and token.width < 3:
            self.offset_ms = _offset(text)
        elif letter in "zZ":
            self.zone_name = text
        elif letter != "G":
            self.values[letter] = int(text)

    def instant(self) -> int:
        """Put the fields together; what is missing is the least there is."""
        local = self._days() * _DAY_MS + self._time_of_day()
        if self.offset_ms is not None:
            return local - self.offset_ms
        if self.zone_name is not None:
            try:
                return zone(ZONE_NAMES.get(self.zone_name.upper(), self.zone_name)).to_utc(local)
            except DruidException as e:
                raise ValueError(str(e)) from None
        return local

    def _days(self) -> int:
        get = self.values.get
        if "w" in self.values or "x" in self.values:
            week_year = get("x", get("y", get("Y", 1970)))
            return week_year_start(week_year) + 7 * (_in(get("w", 1), 1, 53) - 1) + _in(get("e", 1), 1, 7) - 1
        year = get("y", get("Y"))
        if year is None:
            year = 2000 if "M" in self.values or "d" in self.values else 1970
        if "D" in self.values:
            return days_from_civil(year, 1, 1) + _in(self.values["D"], 1, 366 if is_leap(year) else 365) - 1
        month = _in(get("M", 1), 1, 12)
        return days_from_civil(year, month, _in(get("d", 1), 1, days_in_month(year, month)))

    def _time_of_day(self) -> int:
        get = self.values.get
        hour = _in(get("H", 0), 0, 23)
        if "k" in self.values:
            hour = _in(self.values["k"], 1, 24) % 24
        if "h" in self.values or "K" in self.values:
            hour = (
                _in(self.values["h"], 1, 12) % 12 if "h" in self.values else _in(self.values["K"], 0, 11)
            ) + 12 * get("a", 0)
        minute, second = _in(get("m", 0), 0, 59), _in(get("s", 0), 0, 59)
        return (hour * 3600 + minute * 60 + second) * 1000 + self.fraction_ms


def _in(value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise ValueError(f"Value {value} must be in the range [{low},{high}]")
    return value


def _year(token: _Token, text: str) -> int:
    year = int(text)
    if token.width == 2 and len(text) == 2:
        pivot = date.today().year - 30
        year = pivot - 50 + (year - (pivot - 50)) % 100
    return year


def _offset(text: str) -> int:
    if text in "Zz":
        return 0
    digits = text[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:4] or 0) * 60 + int(digits[4:6] or 0)
    return (-1000 if text[0] == "-" else 1000) * seconds
