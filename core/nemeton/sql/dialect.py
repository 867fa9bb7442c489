"""Parsing: sqlglot behind a dialect of our own, strict where sqlglot is lenient.

sqlglot knows the functions of many databases and rewrites calls into its own nodes, altering Druid SQL silently
(``TIMESTAMPDIFF(HOUR, a, b)``, ``POSITION``, …). The dialect takes away all of sqlglot's functions: calls stay calls by
name, and only forms with a syntax of their own (CAST, EXTRACT, TRIM, POSITION, SUBSTRING, FLOOR/CEIL … TO) are parsed
apart. What sqlglot does not understand and wraps as a ``Command``, what follows the statement, and clauses that nobody
here reads (:mod:`nemeton.sql.strictness`) are errors.

sqlglot is imported when the first statement is parsed.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from nemeton.sql.errors import Span, invalid_sql, unsupported_sql
from nemeton.sql.interpreted import require_interpreted_sqlglot
from nemeton.sql.strictness import check_tokens, check_tree, unexpected

if TYPE_CHECKING:
    from sqlglot import exp

_KEPT_FUNCTION_PARSERS = frozenset(
    {"CAST", "TRY_CAST", "SAFE_CAST", "EXTRACT", "TRIM", "POSITION", "SUBSTRING", "FLOOR", "CEIL"}
)

JSON_NOT_YET = ("JSON_ARRAY", "JSON_EXISTS")


@frozen
class ParsedStatement:
    """A syntax tree and the statement's text, from which error positions are cut."""

    tree: exp.Expression
    sql: str
    explain: bool
    tokens: tuple[Any, ...]

    def span(self, node: exp.Expression) -> Span | None:
        """Where a node stands; calls reach to their closing parenthesis."""
        starts: list[int] = []
        ends: list[int] = []
        for part in node.walk():
            if "start" in part.meta:
                starts.append(part.meta["start"])
                ends.append(part.meta["end"])
        if not starts:
            return None
        start, end = min(starts), max(ends)
        if "start" in node.meta and node.meta["start"] == start:
            end = max(end, self._closing_parenthesis(node.meta["end"]))
        return Span.of(self.sql, start, end)

    def parameter_position(self, node: exp.Expression) -> int:
        """The rank of a ``?`` among all of them, in the order of the text."""
        from sqlglot import exp as nodes

        starts = sorted(marker.meta["start"] for marker in self.tree.find_all(nodes.Placeholder))
        return starts.index(node.meta["start"])

    def _closing_parenthesis(self, end_of_name: int) -> int:
        depth = 0
        for token in self.tokens:
            if token.start <= end_of_name:
                continue
            if token.text == "(":
                depth += 1
            elif token.text == ")":
                depth -= 1
                if depth == 0:
                    return int(token.end)
            if depth == 0:
                break
        return end_of_name


def parse(sql: str) -> ParsedStatement:
    """Parse one statement; raises INVALID_INPUT when it is not one that Druid's native engine takes."""
    dialect = _dialect()
    from sqlglot.errors import ParseError, TokenError

    try:
        tokens = dialect.tokenize(sql)
    except TokenError as error:
        raise invalid_sql(f"Lexical error in the statement: {_first_line(error)}") from error
    explain, body = _strip_explain(tokens, sql)
    _reject_early(body, sql)
    try:
        trees = dialect.parser().parse(body, sql)
    except ParseError as error:
        raise _syntax_error(error, sql, body) from error
    if len(trees) != 1 or trees[0] is None:
        raise _unexpected("<EOF>", sql, len(sql), len(sql))
    return ParsedStatement(_accepted(trees[0]), sql, explain, tuple(body))


def _strip_explain(tokens: list[Any], sql: str) -> tuple[bool, list[Any]]:
    if not tokens or tokens[0].text.upper() != "EXPLAIN":
        return False, tokens
    # sqlglot's tokenizer swallows everything behind a command word into one string
    body = sql[tokens[0].end + 1 :]
    words = body.split(None, 2)
    if [word.upper() for word in words[:2]] != ["PLAN", "FOR"]:
        raise invalid_sql(
            "Incorrect syntax near the keyword 'EXPLAIN' at line 1, column 1; only EXPLAIN PLAN FOR is supported"
        )
    if len(words) < 3:
        raise _unexpected("<EOF>", sql, len(sql) - 1, len(sql) - 1)
    start = sql.index(words[1], sql.upper().index("PLAN", tokens[0].end + 1) + 4) + len(words[1])
    return True, _dialect().tokenize(" " * start + sql[start:])


def _reject_early(tokens: list[Any], sql: str) -> None:
    if not tokens:
        raise _unexpected("<EOF>", sql, len(sql) - 1, len(sql) - 1)
    first = tokens[0].text.upper()
    if first in ("INSERT", "REPLACE"):
        raise invalid_sql(
            f"{first} operations are not supported by the requested SQL engine [native].  Consider using MSQ."
        )
    if first in ("DELETE", "UPDATE", "MERGE", "DESCRIBE"):
        raise invalid_sql(f"Unsupported SQL statement [{'DESCRIBE_TABLE' if first == 'DESCRIBE' else first}]")
    if first not in ("SELECT", "WITH", "VALUES", "(", "TABLE"):
        raise invalid_sql(
            f"Incorrect syntax near the keyword '{tokens[0].text}' at line 1, column {tokens[0].start + 1}"
        )
    check_tokens(tokens, sql)


def _unexpected(token: str, sql: str, start: int, end: int) -> Exception:
    return unexpected(token, Span.of(sql, max(start, 0), max(end, 0)))


def _syntax_error(error: Any, sql: str, tokens: list[Any]) -> Exception:
    """sqlglot reports the token at which it gave up, or the last one when the statement ends too soon."""
    details = error.errors[0] if error.errors else {}
    highlight = details.get("highlight") or ""
    description = str(details.get("description") or "")
    for index, token in enumerate(tokens):
        if token.line == details.get("line") and token.col == details.get("col"):
            if index == len(tokens) - 1 and description.startswith(("Expect", "Required")):
                return _unexpected("<EOF>", sql, token.end, token.end)
            return _unexpected(highlight or token.text, sql, token.start, token.end)
    return invalid_sql(f"The statement could not be parsed: {description or _first_line(error)}")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _accepted(tree: exp.Expression) -> exp.Expression:
    from sqlglot import exp

    if not isinstance(tree, (exp.Command, exp.Select, exp.SetOperation, exp.Values, exp.Subquery)):
        raise unsupported_sql(f"The statement {tree.key.upper()}")
    check_tree(tree)
    return tree


@lru_cache(maxsize=1)
def _dialect() -> Any:
    """The dialect's instance. Its classes are made here because their bases are sqlglot's."""
    require_interpreted_sqlglot()
    from sqlglot import exp
    from sqlglot import tokens as lexer
    from sqlglot.dialects.dialect import Dialect
    from sqlglot.parser import Parser
    from sqlglot.tokenizer_core import TokenType

    # its warnings are of what it guesses; setting a level forgets for all loggers what they have found out
    logging.getLogger("sqlglot").setLevel(logging.ERROR)

    def parse_substring(parser: Any) -> exp.Expression:
        """``SUBSTRING(x, 2, 3)`` and ``SUBSTRING(x FROM 2 FOR 3)``."""
        arguments = [parser._parse_bitwise()]
        for symbol in (TokenType.FROM, TokenType.FOR):
            if parser._match(TokenType.COMMA) or parser._match(symbol):
                arguments.append(parser._parse_bitwise())
        return exp.Anonymous(this="SUBSTRING", expressions=arguments)

    def parse_rounding(name: str) -> Any:
        """``FLOOR(x)`` and ``FLOOR(x TO unit)``."""

        def parse_call(parser: Any) -> exp.Expression:
            arguments = [parser._parse_bitwise()]
            if parser._match_text_seq("TO"):
                start = parser._curr
                unit = parser._parse_var(any_token=True)
                if unit is not None and start is not None:
                    unit.meta.update(start=start.start, end=start.end)
                return exp.Anonymous(this=f"{name}_TO", expressions=[*arguments, unit])
            return exp.Anonymous(this=name, expressions=arguments)

        return parse_call

    def parse_extract(parser: Any) -> exp.Expression:
        start = parser._curr
        unit = exp.var(start.text)
        unit.meta.update(start=start.start, end=start.end)
        parser._advance()
        parser._match(TokenType.FROM)
        return exp.Anonymous(this="EXTRACT", expressions=[unit, parser._parse_bitwise()])

    def parse_json_value(parser: Any) -> exp.Expression:
        """``JSON_VALUE(x, '$.a' RETURNING BIGINT)``: the type's words come as a third argument."""
        arguments = parser._parse_csv(parser._parse_bitwise)
        if parser._match_text_seq("RETURNING"):
            start, words = parser._curr, []
            while parser._curr is not None and parser._curr.text not in ")(":
                words.append(parser._curr.text.upper())
                parser._advance()
            kind = exp.var(" ".join(words))
            if start is not None:
                kind.meta.update(start=start.start, end=start.end)
            arguments.append(kind)
        return exp.Anonymous(this="JSON_VALUE", expressions=arguments)

    def parse_json_object(parser: Any) -> exp.Expression:
        """``JSON_OBJECT('a': x)`` and ``JSON_OBJECT(KEY 'a' VALUE x)``: keys and values by turns."""
        arguments: list[Any] = []
        while parser._curr is not None and parser._curr.text != ")":
            parser._match_text_seq("KEY")
            arguments.append(parser._parse_bitwise())
            if not (parser._match(TokenType.COLON) or parser._match_text_seq("VALUE")):
                parser.raise_error("Expecting a value")
            arguments.append(parser._parse_bitwise())
            if not parser._match(TokenType.COMMA):
                break
        return exp.Anonymous(this="JSON_OBJECT", expressions=arguments)

    def skip_json_function(parser: Any) -> exp.Expression:
        """What the binder refuses, and has clauses of its own."""
        name, depth = parser._prev.text, 1
        if parser._prev.text == "(":
            name = parser._tokens[parser._index - 2].text
        while parser._curr is not None and depth:
            depth += {"(": 1, ")": -1}.get(parser._curr.text, 0)
            if depth:
                parser._advance()
        return exp.Anonymous(this=name.upper(), expressions=[])

    def parse_typed_literal(parser: Any, this: exp.Expression, data_type: exp.Expression) -> exp.Expression:
        """``TIMESTAMP '…'`` is a literal and no cast: it is noted on the node, with the place of the whole."""
        node = exp.Cast(this=this, to=data_type)
        literal, keyword = parser._prev, parser._tokens[parser._index - 2]
        node.meta.update(typed_literal=True, literal_span=Span.of(parser.sql, keyword.start, literal.end))
        return node

    def parse_placeholder(parser: Any) -> exp.Expression:
        node = exp.Placeholder()
        node.meta.update(start=parser._prev.start, end=parser._prev.end)
        return node

    class DruidTokenizer(lexer.Tokenizer):
        IDENTIFIERS: ClassVar = ['"']
        STRING_ESCAPES: ClassVar = ["'"]
        COMMENTS: ClassVar = ["--", ("/*", "*/")]

    class DruidParser(Parser):
        FUNCTIONS: ClassVar = {}
        NO_PAREN_FUNCTIONS: ClassVar = {}
        TYPE_LITERAL_PARSERS: ClassVar = {
            exp.DType.TIMESTAMP: parse_typed_literal,
            exp.DType.DATE: parse_typed_literal,
        }
        PLACEHOLDER_PARSERS: ClassVar = {TokenType.PLACEHOLDER: parse_placeholder}
        FUNCTION_PARSERS: ClassVar = {
            **{name: function for name, function in Parser.FUNCTION_PARSERS.items() if name in _KEPT_FUNCTION_PARSERS},
            "SUBSTRING": parse_substring,
            "FLOOR": parse_rounding("FLOOR"),
            "CEIL": parse_rounding("CEIL"),
            "CEILING": parse_rounding("CEIL"),
            "EXTRACT": parse_extract,
            "JSON_VALUE": parse_json_value,
            "JSON_OBJECT": parse_json_object,
            **dict.fromkeys(JSON_NOT_YET, skip_json_function),
        }

    class NemetonDruid(Dialect):
        Tokenizer = DruidTokenizer
        Parser = DruidParser

    return NemetonDruid()
