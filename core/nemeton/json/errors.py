"""JSON that does not fit: where, and what would."""

from __future__ import annotations

from typing import Any

from cattrs.errors import StructureHandlerNotFoundError

from nemeton.common.errors import DruidException, defensive

_SHOWN = 100


class JsonError(DruidException):
    """A value in JSON is not what its place wants. ``path`` leads to it from the root: property names and indexes."""

    def __init__(self, problem: str, path: tuple[str | int, ...] = (), *, like: DruidException | None = None) -> None:
        """``like`` lends its error code, category and persona when a value's own check raised it."""
        super().__init__(
            f"Cannot read JSON at [{format_path(path)}]: {problem}",
            error_code=like.error_code if like else "invalidInput",
            persona=like.persona if like else "USER",
            category=like.category if like else "INVALID_INPUT",
            context={**(like.context if like else {}), "path": format_path(path)},
        )
        self.problem = problem
        self.path = path


def expected(what: str, got: Any) -> JsonError:
    """A value of the wrong kind."""
    return JsonError(f"expected {what}, got {describe(got)}")


def within(key: str | int, error: Exception) -> JsonError:
    """The error of a value as an error of the object or array that holds it under the key."""
    if isinstance(error, JsonError):
        found = JsonError(error.problem, (key, *error.path), like=error)
    else:
        found = as_json_error(error, (key,))
    found.__cause__ = error.__cause__ if isinstance(error, JsonError) else error
    return found


def as_json_error(error: Exception, path: tuple[str | int, ...] = ()) -> JsonError:
    """Any exception that reading a value raised, in the shape that callers are promised."""
    if isinstance(error, JsonError):
        return error
    if isinstance(error, DruidException):
        return JsonError(error.message, path, like=error)
    if isinstance(error, RecursionError):
        return JsonError("it is nested too deeply", path)
    if isinstance(error, StructureHandlerNotFoundError):
        like = defensive(f"{error.type_} has no way to be read from JSON: no attrs class, no from_json")
        return JsonError(like.message, path, like=like)
    return JsonError(str(error) or type(error).__name__, path)


def format_path(path: tuple[str | int, ...]) -> str:
    """``$.spec.files[3]``; property names with dots or brackets are quoted."""
    text = "$"
    for step in path:
        plain = isinstance(step, str) and step.replace("_", "a").replace("-", "a").isalnum()
        text += f".{step}" if plain else f"[{step!r}]"
    return text


def describe(value: Any) -> str:
    """The kind of a JSON value, and a scalar's value, cut short."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, str):
        return f"the string {_cut(repr(value))}"
    if isinstance(value, int | float):
        return f"the number {_cut(repr(value))}"
    if isinstance(value, dict):
        return "an object"
    return "an array" if isinstance(value, list | tuple) else f"a {type(value).__name__}"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
