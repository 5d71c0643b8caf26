"""Metric names, label matchers and lists of labels."""

from __future__ import annotations

from typing import Final

from rules.golang.quoting import unquote
from rules.promql import dialects
from rules.promql.regex import compile_pattern
from rules.promql.syntax.ast import Matcher, MatchOp, VectorSelector
from rules.promql.syntax.errors import PromQLSyntaxError, Span
from rules.promql.syntax.lexer import IDENTIFIER, KEYWORDS, METRIC, STRING, Token
from rules.promql.syntax.tokens import TokenStream
from rules.promql.syntax.typecheck import check_selector
from schemas.series import METRIC_NAME

# The keywords that are also names of metrics, and those that are also names of labels.
NAMES: Final = KEYWORDS - {"on", "ignoring", "bool", "group_left", "group_right", "atan2"}
_LABELS: Final = (KEYWORDS - {"without"}) | {IDENTIFIER, METRIC}
_MATCH_OPS: Final = {op.value: op for op in MatchOp}


def selector(tokens: TokenStream, *, may_be_empty: bool = False) -> VectorSelector:
    """A metric name, matchers in braces, or both; the name's matcher first, the others by label.

    Those of one label stay in the order they are written: ``absent()`` heeds it.

    ``may_be_empty`` takes matchers that an absent label satisfies, as ``info()`` does.
    """
    start = tokens.current.start
    written = None if tokens.current.kind == "{" else tokens.advance().text
    quoted: list[str] = []
    matchers: list[Matcher] = []
    if tokens.current.kind == "{":
        tokens.advance()
        while tokens.current.kind != "}":
            matcher = _matcher(tokens, quoted)
            matchers.append(matcher)
            if tokens.current.kind == ",":
                tokens.advance()
            elif tokens.current.kind != "}":
                hint = ""
                if tokens.current.text.lower() == "or":
                    hint = "a selector knows no or: match a pattern, or join two selectors by or"
                elif tokens.current.text.lower() == "and":
                    hint = 'conditions are separated by commas: {job="a", host="b"}'
                raise tokens.unexpected("label matching", '"," or "}"', hint)
        tokens.advance()
    span = Span(start, tokens.last_end)
    if not may_be_empty:
        check_selector(written, tuple(matchers), span)
    matchers.sort(key=lambda matcher: matcher.name)
    name = written
    if written is not None:
        matchers.insert(0, Matcher(METRIC_NAME, MatchOp.EQUAL, written))
    elif quoted and sum(matcher.name == METRIC_NAME for matcher in matchers) == 1:
        name = quoted[0]
        own = Matcher(METRIC_NAME, MatchOp.EQUAL, name)
        matchers.remove(own)
        matchers.insert(0, own)
    return VectorSelector(name, tuple(matchers), span=span)


def _matcher(tokens: TokenStream, quoted: list[str]) -> Matcher:
    token = tokens.current
    if token.kind not in (IDENTIFIER, STRING):
        raise tokens.unexpected("label matching", 'identifier or "}"')
    tokens.advance()
    name = string_value(token) if token.kind == STRING else token.text
    op = _MATCH_OPS.get(tokens.current.kind)
    if op is None:
        if token.kind == STRING and tokens.current.kind in (",", "}"):
            quoted.append(name)
            return Matcher(METRIC_NAME, MatchOp.EQUAL, name)
        hint = dialects.LABELS if dialects.word(tokens.current.text) else f'write {token.text}="value"'
        raise tokens.unexpected("label matching", "label matching operator", hint)
    tokens.advance()
    value = tokens.current
    if value.kind != STRING:
        hint = ""
        if value.kind == IDENTIFIER:
            hint = f'label values are quoted: {token.text}{op.value}"{value.text}"'
        elif value.kind == "=":
            hint = "a matcher has one ="
        raise tokens.unexpected("label matching", "string", hint)
    tokens.advance()
    text = string_value(value)
    if op in (MatchOp.REGEX, MatchOp.NOT_REGEX):
        try:
            compile_pattern(text)
        except PromQLSyntaxError as error:
            raise PromQLSyntaxError(error.message, value.span, error.hint) from error
    return Matcher(name, op, text)


def grouping_labels(tokens: TokenStream) -> tuple[str, ...]:
    """Labels in parentheses, possibly none, a comma after the last allowed."""
    tokens.expect("(", "grouping opts", "write the labels in parentheses: by (job, instance)")
    labels: list[str] = []
    while tokens.current.kind != ")":
        token = tokens.current
        if token.kind != STRING and token.kind not in _LABELS:
            hint = "labels are names only; compare them in the selector's braces" if labels else ""
            raise tokens.unexpected("grouping opts", "label", hint)
        tokens.advance()
        label = string_value(token) if token.kind == STRING else token.text
        if not label or any(0xDC80 <= ord(character) <= 0xDCFF for character in label):
            raise PromQLSyntaxError(f"invalid label name for grouping: {label!r}", token.span)
        labels.append(label)
        if tokens.current.kind == ",":
            tokens.advance()
        elif tokens.current.kind != ")":
            raise tokens.unexpected("grouping opts", '"," or ")"')
    tokens.advance()
    return tuple(labels)


def string_value(token: Token) -> str:
    """The value of a string token.

    Raises:
        PromQLSyntaxError: for an escape that Go does not know.
    """
    try:
        return unquote(token.text)
    except ValueError as error:
        hint = r"a backslash is written twice (\\), or the string in backquotes"
        raise PromQLSyntaxError(str(error), token.span, hint) from error
