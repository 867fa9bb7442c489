"""Joda-Time patterns: writing and reading times with them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from nemeton.common.errors import invalid_input
from nemeton.time import Zone, zone
from nemeton.time.instants import civil_from_days, days_from_civil, week_year_start

DAY = 86_400_000
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORT_MONTHS = tuple(name[:3] for name in MONTHS)
_SHORT_DAYS = tuple(name[:3] for name in DAYS)
_NAMES_BY_LOCALE: dict[str, tuple[tuple[str, ...], ...]] = {
    language: tuple(tuple(names.split()) for names in lists)
    for language, lists in {
        "fr": (
            "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
            "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
            "lundi mardi mercredi jeudi vendredi samedi dimanche",
            "lun. mar. mer. jeu. ven. sam. dim.",
        ),
        "de": (
            "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
            "Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.",
            "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
            "Mo. Di. Mi. Do. Fr. Sa. So.",
        ),
        "es": (
            "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
            "ene feb mar abr may jun jul ago sept oct nov dic",
            "lunes martes miércoles jueves viernes sábado domingo",
            "lun mar mié jue vie sáb dom",
        ),
        "it": (
            "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
            "gen feb mar apr mag giu lug ago set ott nov dic",
            "lunedì martedì mercoledì giovedì venerdì sabato domenica",
            "lun mar mer gio ven sab dom",
        ),
        "pt": (
            "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
            "jan. fev. mar. abr. mai. jun. jul. ago. set. out. nov. dez.",
            "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo",
            "seg. ter. qua. qui. sex. sáb. dom.",
        ),
        "nl": (
            "januari februari maart april mei juni juli augustus september oktober november december",
            "jan. feb. mrt. apr. mei jun. jul. aug. sep. okt. nov. dec.",
            "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
            "ma di wo do vr za zo",
        ),
    }.items()
}
"""Months and days of the week, each written out and short, as Java has them; of other languages in English."""
_TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|([^A-Za-z']+)", re.DOTALL)

Piece = Callable[[int, Zone], str]


def _day(local: int) -> int:
    return local // DAY


def _week(local: int) -> tuple[int, int]:
    """ISO week year and week."""
    day = _day(local)
    year = civil_from_days(day + 3 - (day + 3) % 7)[0]
    start = week_year_start(year)
    if day >= week_year_start(year + 1):
        year, start = year + 1, week_year_start(year + 1)
    elif day < start:
        year, start = year - 1, week_year_start(year - 1)
    return year, (day - start) // 7 + 1


def _padded(width: int, value: Callable[[int], int]) -> Piece:
    def write(ms: int, where: Zone) -> str:
        number = value(where.to_local(ms))
        return f"-{-number:0{width}d}" if number < 0 else f"{number:0{width}d}"

    return write


def _offset_text(ms: int, where: Zone, colon: bool) -> str:
    minutes = where.offset(ms) // 60_000
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}{':' if colon else ''}{abs(minutes) % 60:02d}"


def _zone_name(ms: int, where: Zone, width: int) -> str:
    """``EST``; the offset where a zone has no letters, and the id for the long form (``zzzz``) of other zones than UTC.

    The long names are in Java's locale data, which Python does not have.
    """
    import datetime
    import zoneinfo

    if where.name == "UTC":
        return "Coordinated Universal Time" if width >= 4 else "UTC"
    if width >= 4 or where.is_fixed:
        return str(where)
    # years beyond Python's calendar have the rule of the same instant in a year of the same shape
    moment = datetime.datetime.fromtimestamp(min(max(ms // 1000, -2_000_000_000), 32_000_000_000), datetime.UTC)
    name = moment.astimezone(zoneinfo.ZoneInfo(where.name)).tzname() or ""
    return name if name.isalpha() else _offset_text(ms, where, True)


def _piece(letter: str, width: int, locale: str) -> Piece:
    months, short_months, days, short_days = _NAMES_BY_LOCALE.get(locale, (MONTHS, _SHORT_MONTHS, DAYS, _SHORT_DAYS))
    month_names, day_names = (months, days) if width >= 4 else (short_months, short_days)
    if letter in "yYC" and width == 2 and letter != "C":
        return _padded(2, lambda t: civil_from_days(_day(t))[0] % 100)
    numbers: dict[str, Callable[[int], int]] = {
        "y": lambda t: civil_from_days(_day(t))[0],
        "Y": lambda t: civil_from_days(_day(t))[0],
        "C": lambda t: civil_from_days(_day(t))[0] // 100,
        "x": lambda t: _week(t)[0],
        "w": lambda t: _week(t)[1],
        "e": lambda t: (_day(t) + 3) % 7 + 1,
        "D": lambda t: _day(t) - days_from_civil(civil_from_days(_day(t))[0], 1, 1) + 1,
        "d": lambda t: civil_from_days(_day(t))[2],
        "H": lambda t: t % DAY // 3_600_000,
        "k": lambda t: t % DAY // 3_600_000 or 24,
        "K": lambda t: t % (DAY // 2) // 3_600_000,
        "h": lambda t: t % (DAY // 2) // 3_600_000 or 12,
        "m": lambda t: t // 60_000 % 60,
        "s": lambda t: t // 1000 % 60,
    }
    if letter in numbers:
        return _padded(width, numbers[letter])
    if letter == "M" and width <= 2:
        return _padded(width, lambda t: civil_from_days(_day(t))[1])
    if letter == "M":
        return lambda ms, z: month_names[civil_from_days(_day(z.to_local(ms)))[1] - 1]
    if letter == "E":
        return lambda ms, z: day_names[(_day(z.to_local(ms)) + 3) % 7]
    if letter == "S":
        return lambda ms, z: f"{z.to_local(ms) % 1000:03d}".ljust(width, "0")[:width]
    if letter == "a":
        return lambda ms, z: "AM" if z.to_local(ms) % DAY < DAY // 2 else "PM"
    if letter == "G":
        return lambda ms, z: "AD" if civil_from_days(_day(z.to_local(ms)))[0] > 0 else "BC"
    if letter == "Z":
        return (lambda ms, z: str(z)) if width >= 3 else (lambda ms, z: _offset_text(ms, z, width == 2))
    if letter == "z":
        return lambda ms, z: _zone_name(ms, z, width)
    raise invalid_input(f"Illegal pattern component: {letter * width}")


@functools.lru_cache(maxsize=256)
def formatter(pattern: str, locale: str = "en") -> Callable[[int, Zone], str]:
    """A function that writes milliseconds in a zone. Raises invalid_input for a letter that Joda does not know."""
    pieces: list[Piece] = []
    for found in _TOKEN.finditer(pattern):
        quoted, letter, plain = found.groups()
        if letter:
            pieces.append(_piece(letter, len(found.group(0)), locale.partition("_")[0].partition("-")[0]))
        else:
            fixed = plain if plain is not None else (quoted.replace("''", "'") or "'")
            pieces.append(lambda ms, z, fixed=fixed: fixed)  # type: ignore[misc]
    return lambda ms, where: "".join(piece(ms, where) for piece in pieces)


_NUMBERS = {"y": r"[+-]?\d{%d,9}", "p": r"[+-]?\d{%d,9}",
            "M": r"\d{1,2}", "d": r"\d{1,2}", "H": r"\d{1,2}", "k": r"\d{1,2}", "h": r"\d{1,2}",
            "K": r"\d{1,2}", "m": r"\d{1,2}", "s": r"\d{1,2}", "S": r"\d{1,9}", "D": r"\d{1,3}"}  # fmt: skip


@functools.lru_cache(maxsize=256)
def parser(pattern: str) -> Callable[[str, Zone], int | None]:
    """A function from a text to milliseconds, None when it does not fit."""
    regex, letters = _parsing_regex(pattern)

    def read(text: str, where: Zone) -> int | None:
        found = regex.fullmatch(text)
        return None if found is None else _instant(dict(zip(letters, found.groups(), strict=True)), where)

    return read


def _parsing_regex(pattern: str) -> tuple[re.Pattern[str], list[str]]:
    out: list[str] = []
    letters: list[str] = []
    tokens = list(_TOKEN.finditer(pattern))
    for at, found in enumerate(tokens):
        quoted, letter, plain = found.groups()
        if not letter:
            out.append(re.escape(plain if plain is not None else (quoted.replace("''", "'") or "'")))
            continue
        width = len(found.group(0))
        key = "y" if letter in "yYu" else letter
        if key == "y" and width == 2:
            key = "p"  # two letters: a year near today's, where two digits stand
        glued = at + 1 < len(tokens) and tokens[at + 1].group(2) is not None
        if key == "M" and width >= 3:
            body, key = "[^\\W\\d]+", "N"
        elif key == "E":
            body = "[^\\W\\d]+"
        elif key == "a":
            body = "[AaPp][Mm]"
        elif key in "Zz":
            body, key = r"Z|[+-]\d{2}:?\d{2}|[A-Za-z_]+(?:/[A-Za-z_]+)*", "Z"
        elif key in _NUMBERS:
            body = rf"\d{{{width}}}" if glued else _NUMBERS[key].replace("{%d,", "{1,")
        else:
            raise invalid_input(f"Illegal pattern component: {letter * width}")
        letters.append(key)
        out.append(f"({body})")
    return re.compile("".join(out)), letters


def _instant(parts: dict[str, str], where: Zone) -> int | None:
    year = int(parts.get("y") or parts.get("p") or "1970")
    if len(parts.get("p", "")) == 2:
        year += 2000 if year < 56 else 1900
    month = int(parts["M"]) if "M" in parts else _month(parts["N"]) if "N" in parts else 1
    day = int(parts.get("d", "1"))
    hour = int(parts.get("H") or 0)
    if "k" in parts:
        hour = int(parts["k"]) % 24
    for letter in "hK":
        if letter in parts:
            hour = int(parts[letter]) % 12 + (12 if parts.get("a", "").lower() == "pm" else 0)
    minute, second = int(parts.get("m", "0")), int(parts.get("s", "0"))
    millis = int(parts.get("S", "0").ljust(3, "0")[:3])
    if month is None or not (1 <= month <= 12 and hour < 24 and minute < 60 and second < 60):
        return None
    days = days_from_civil(year, month, 1) + day - 1
    if "D" in parts:
        days = days_from_civil(year, 1, 1) + int(parts["D"]) - 1
    elif civil_from_days(days)[1] != month or day < 1:
        return None
    local = days * DAY + hour * 3_600_000 + minute * 60_000 + second * 1000 + millis
    text = parts.get("Z")
    if text is not None:
        where = zone("UTC" if text == "Z" else text if text[0] not in "+-" or ":" in text else f"{text[:3]}:{text[3:]}")
    return where.to_utc(local)


def _month(name: str) -> int | None:
    for number, month in enumerate(MONTHS, 1):
        if month.lower() == name.lower() or month[:3].lower() == name.lower():
            return number
    return None
