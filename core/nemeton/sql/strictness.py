"""What sqlglot lets pass and Druid does not: tokens of other databases, clauses that nobody here reads.

A clause that the binder does not look at would silently change what a statement means. So every node that the binder
takes is listed with the parts of it that are read; any other part is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nemeton.sql.errors import Span, invalid_sql, unsupported_sql
from nemeton.sql.reserved import RESERVED_WORDS

if TYPE_CHECKING:
    from sqlglot import exp

#: Operators of other databases, which sqlglot would take for something of Druid's.
_FOREIGN_TOKENS = frozenset({"::", "==", "<=>", "**", "<<", ">>", "//", "^", "~", "|", "->", "->>", "#", "@", "??"})
_AFTER_COMMA = frozenset({"FROM", "WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", ")", "]"})

_ORDERING = {"order", "limit", "offset"}
_READ: dict[str, set[str]] = {
    "Select": {
        "expressions", "from_", "where", "group", "having", "distinct", "with_", "joins", "laterals", "windows",
        "qualify", "hint", "operation_modifiers", *_ORDERING,
    },
    "Union": {"this", "expression", "distinct", "with_", *_ORDERING},
    "Subquery": {"this", "alias", "with_", *_ORDERING},
    "Values": {"expressions", "alias", *_ORDERING},
    "Table": {"this", "db", "catalog", "alias", "joins"},
    "From": {"this"},
    "TableAlias": {"this", "columns"},
    "CTE": {"this", "alias"},
    "With": {"expressions", "recursive"},
    "Star": set(),
    "Alias": {"this", "alias"},
    "Column": {"this", "table", "db", "catalog"},
    "Distinct": {"expressions"},
    "Limit": {"this", "expression"},
    "Offset": {"this", "expression"},
    "Fetch": {"direction", "count", "limit_options"},
    "LimitOptions": {"rows"},
    "Where": {"this"},
    "Having": {"this"},
    "Group": {"expressions", "rollup", "cube", "grouping_sets", "all"},
    "Order": {"this", "expressions"},
    "Ordered": {"this", "desc", "nulls_first"},
    "Anonymous": {"this", "expressions"},
    "Cast": {"this", "to"},
    "TryCast": {"this", "to", "requires_string"},
    "In": {"this", "expressions", "query"},
    "Between": {"this", "low", "high", "symmetric"},
    "Trim": {"this", "position", "expression"},
    "Interval": {"this", "unit"},
    "Case": {"this", "ifs", "default"},
    "Filter": {"this", "expression"},
    "DPipe": {"this", "expression", "safe"},
    "Bracket": {"this", "expressions"},
    "Array": {"expressions", "bracket_notation", "value_constructor"},
    "StrPosition": {"this", "substr", "position"},
}  # fmt: skip


def check_tokens(tokens: list[Any], sql: str) -> None:
    """Refuse tokens and sequences of tokens that Druid's grammar does not have."""
    casts = _cast_keywords(tokens)
    kinds = [token.token_type.name for token in tokens]
    followed = zip(tokens, kinds, [*tokens[1:], None], [*kinds[1:], None], strict=True)
    for token, kind, following, following_kind in followed:
        if kind == "SEMICOLON" or (token.text in _FOREIGN_TOKENS and kind not in ("STRING", "IDENTIFIER")):
            raise _unexpected(token, sql)
        if kind == "MOD" and token.text == "%":
            raise invalid_sql("Percent remainder '%' is not allowed under the current SQL conformance level")
        if following is None:
            continue
        if (
            kind == "ALIAS"
            and token.start not in casts
            and following_kind not in ("IDENTIFIER", "STRING")
            and following.text.upper() in RESERVED_WORDS
        ):
            raise _incorrect("AS", token, sql)
        if kind == "COMMA" and following.text.upper() in _AFTER_COMMA and following_kind != "IDENTIFIER":
            raise _unexpected(following, sql)
        if kind == "NUMBER" and following.start == token.end + 1 and following_kind == "VAR":
            raise _unexpected(following, sql)
        if kind == "LIMIT" and following.text == "-":
            raise _incorrect("LIMIT", token, sql)


def _unexpected(token: Any, sql: str) -> Exception:
    return unexpected(token.text, Span.of(sql, token.start, token.end))


def _incorrect(keyword: str, token: Any, sql: str) -> Exception:
    span = Span.of(sql, token.start, token.end)
    return invalid_sql(f"Incorrect syntax near the keyword '{keyword}' at line {span.line}, column {span.column}")


def _cast_keywords(tokens: list[Any]) -> set[int]:
    """Where an AS stands before a type, in CAST, or in ``WITH x AS (`` and not before a name."""
    found: set[int] = set()
    calls: list[bool] = []
    for previous, token in zip([None, *tokens], tokens, strict=False):
        if token.text == "(":
            calls.append(previous is not None and previous.text.upper() in ("CAST", "TRY_CAST", "SAFE_CAST"))
        elif token.text == ")" and calls:
            calls.pop()
        elif token.token_type.name == "ALIAS" and calls and calls[-1]:
            found.add(token.start)
    return found


def check_tree(tree: exp.Expression) -> None:
    """Refuse nodes with parts that the binder does not read, and lists that must not be empty."""
    for node in tree.walk():
        kind = type(node).__name__
        if kind == "Command":
            raise invalid_sql("The statement could not be parsed")
        read = _READ.get(kind)
        if read is not None:
            for part in _parts(node):
                if part not in read:
                    raise unsupported_sql(f"The clause {part.rstrip('_').upper()} of {kind.upper()}")
        if kind == "Select" and not node.expressions:
            raise invalid_sql("Received an unexpected token: the SELECT list is empty")
        if kind == "Group" and not any(node.args.values()):
            raise invalid_sql("Received an unexpected token: the GROUP BY list is empty")
        if kind == "In" and not node.expressions and node.args.get("query") is None:
            raise invalid_sql("Received an unexpected token: the list of IN is empty")
        if kind == "Array" and node.args.get("bracket_notation"):
            raise invalid_sql("Received an unexpected token [[]: an array is written ARRAY[…]")


def _parts(node: Any) -> Iterator[str]:
    return (key for key, value in node.args.items() if value not in (None, False, [], ()))


def unexpected(token: str, span: Span) -> Exception:
    """Druid's words for a token that cannot stand where it does."""
    return invalid_sql(f"Received an unexpected token [{token}]", span, token=token)
