"""The tokens of an expression, each with its place; the rules of Prometheus 3's own scanner.

What a character means depends on where it stands: a word between braces is a label whatever it says, a word between brackets
can only be a duration's, and only elsewhere is it a keyword or a metric name.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from rules.promql import dialects
from rules.promql.syntax.errors import PromQLSyntaxError, Span

NUMBER: Final = "number"
DURATION: Final = "duration"
STRING: Final = "string"
IDENTIFIER: Final = "identifier"
METRIC: Final = "metric name"
END: Final = "end of input"

AGGREGATORS_WITH_PARAMETER: Final = frozenset({"topk", "bottomk", "quantile", "count_values", "limitk", "limit_ratio"})
AGGREGATORS: Final = AGGREGATORS_WITH_PARAMETER | {"sum", "avg", "count", "min", "max", "group", "stddev", "stdvar"}
# Words that are functions before a parenthesis and modifiers of durations elsewhere.
PREPROCESSORS: Final = frozenset({"start", "end", "step", "range", "max_of", "min_of"})
FILLS: Final = frozenset({"fill", "fill_left", "fill_right"})
MODIFIERS: Final = frozenset(
    ["offset", "smoothed", "anchored", "by", "without", "on", "ignoring", "group_left", "group_right", "bool"],
)
KEYWORDS: Final = AGGREGATORS | PREPROCESSORS | FILLS | MODIFIERS | {"and", "or", "unless", "atan2"}

_STATEMENT = re.compile(
    r"(?P<space>[ \t\r\n]+)|(?P<comment>#[^\r\n]*)|(?P<word>[A-Za-z_:][A-Za-z0-9_:]*)|(?P<number>(?=\.?[0-9]))"
    r"|(?P<string>[\"'`])|(?P<operator>==|!=|<=|</|>=|>/|[-+*/%^@<>=,()\[{])"
)
_BRACES = re.compile(
    r"(?P<space>[ \t\r\n]+)|(?P<comment>#[^\r\n]*)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<string>[\"'`])"
    r"|(?P<operator>=~|!~|!=|[=,}])"
)
# Up to its first number a bracket holds no comment: the scanner of Prometheus knows none there.
_BRACKETS = re.compile(
    r"(?P<space>[ \t\r\n]+)|(?P<comment>#[^\r\n]*)|(?P<word>[A-Za-z_]+)|(?P<number>(?=\.?[0-9]))|(?P<operator>[-+*/%^,():\]])"
)
_QUOTED = {
    '"': re.compile(r'"[^"\\\n\ufffd]*(?:\\[^\n][^"\\\n\ufffd]*)*"'),
    "'": re.compile(r"'[^'\\\n\ufffd]*(?:\\[^\n][^'\\\n\ufffd]*)*'"),
    "`": re.compile(r"`[^`\ufffd]*`"),
}
_PLAIN_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?![0-9A-Za-z_.])")
_REST_OF_DURATION = re.compile(r"[smhdwy]s?(?:[0-9]+[smhdw]s?)*(?![0-9A-Za-z_])")
_WORD = re.compile(r"[A-Za-z]+")
_OPENS_PARENTHESIS = re.compile(r"[ \t\r\n]*\(")
_DURATION_WORDS = frozenset({"step", "range", "max_of", "min_of"})
_STRAY = {
    "&": 'write "and"',
    "|": 'write "or"',
    "!": 'write "!=", or "unless" between vectors',
    ";": "a rule holds one expression",
    "“": 'write plain quotes: "',
    "”": 'write plain quotes: "',
    "$": "expressions know no variables; write the value",
}


class Token(NamedTuple):
    """A token: its kind, the text as written, and where; a keyword's or operator's kind is itself, in lower case."""

    kind: str
    text: str
    start: int

    @property
    def span(self) -> Span:
        return Span(self.start, self.start + len(self.text))


def tokenize(text: str) -> list[Token]:
    """The tokens of an expression without its comments, the last of kind ``END``.

    Raises:
        PromQLSyntaxError: for a character no token starts with, an unterminated string, or unbalanced brackets.
    """
    return _scan(text, [])


def comments(text: str) -> list[tuple[int, str]]:
    """The comments of an expression: offset, and text from its ``#`` to the end of the line.

    Raises:
        PromQLSyntaxError: as for `tokenize`.
    """
    found: list[tuple[int, str]] = []
    _scan(text, found)
    return found


def _scan(text: str, comments_found: list[tuple[int, str]]) -> list[Token]:
    tokens: list[Token] = []
    parentheses: list[int] = []
    opened = 0
    pattern = _STATEMENT
    seen_duration = seen_colon = had_number = False
    position = 0
    while position < len(text):
        found = pattern.match(text, position)
        group = found.lastgroup if found else None
        if found is None or (group == "comment" and pattern is _BRACKETS and not had_number):
            raise _unexpected(text, position, pattern, tokens)
        end = found.end()
        if group == "space":
            position = end
            continue
        if group == "comment":
            comments_found.append((position, found[0]))
            position = end
            continue
        kind = found[0]
        if group == "word":
            if pattern is _STATEMENT:
                kind = _word(text, kind, end)
            elif pattern is _BRACES:
                kind = IDENTIFIER
            else:
                kind = kind.lower()
                if kind not in _DURATION_WORDS:
                    raise _unexpected(text, position, pattern, tokens)
        elif group == "number":
            kind, end = _number(text, position)
            had_number = True
            seen_duration = seen_duration or pattern is _BRACKETS
        elif group == "string":
            kind, end = STRING, _string(text, position)
        elif kind == "(":
            parentheses.append(position)
        elif kind == ")":
            if not parentheses:
                raise PromQLSyntaxError("unexpected right parenthesis ')'", Span(position, end), "nothing opens it")
            parentheses.pop()
        elif kind == "{":
            pattern, opened = _BRACES, position
        elif kind == "[":
            pattern, opened = _BRACKETS, position
            seen_colon = had_number = False
        elif kind in "}]":
            pattern = _STATEMENT
        elif kind == ":":
            if seen_colon or not (had_number or seen_duration):
                raise _unexpected(text, position, pattern, tokens)
            seen_colon = True
        tokens.append(Token(kind, text[position:end], position))
        position = end
    if pattern is not _STATEMENT:
        closing, what = ("}", "brace") if pattern is _BRACES else ("]", "bracket")
        raise PromQLSyntaxError(f"unclosed left {what}", Span(opened, opened + 1), f'close it with "{closing}"')
    if parentheses:
        place = parentheses[-1]
        raise PromQLSyntaxError("unclosed left parenthesis", Span(place, place + 1), 'close it with ")"')
    tokens.append(Token(END, "", len(text.rstrip())))
    return tokens


def _word(text: str, word: str, end: int) -> str:
    lower = word.lower()
    if lower in ("inf", "nan"):
        return NUMBER
    if lower in FILLS and not _OPENS_PARENTHESIS.match(text, end):
        return IDENTIFIER
    if lower in KEYWORDS:
        return lower
    return METRIC if ":" in word else IDENTIFIER


def _number(text: str, start: int) -> tuple[str, int]:
    plain = _PLAIN_NUMBER.match(text, start)
    if plain:
        return NUMBER, plain.end()
    complete, end = _scan_number(text, start)
    if complete:
        return NUMBER, end
    duration = _REST_OF_DURATION.match(text, end)
    if duration:
        return DURATION, duration.end()
    while end < len(text) and (text[end].isalnum() or text[end] in "_."):
        end += 1
    raise PromQLSyntaxError(
        f"bad number or duration syntax: {text[start : min(end, start + 60)]!r}",
        Span(start, end),
        dialects.unit(text[start:end]) or "durations are whole numbers with units ms, s, m, h, d, w, y: 1h30m",
    )


def _scan_number(text: str, position: int) -> tuple[bool, int]:
    """Whether a number ends where it should, and how far it was read: a duration may go on from there."""
    at = text.__getitem__
    size = len(text)
    digits = "0123456789"
    if text[position : position + 2] in ("0x", "0X"):
        digits = "0123456789abcdefABCDEF"
        position += 2
        if position < size and at(position) == "_":
            position += 1
    elif at(position) == "0":
        position += 1
    if position < size and at(position) == ".":
        position += 1
    if position < size and at(position) in digits:
        position += 1
    dot = exponent = False
    while position < size and (at(position) in digits or at(position) in "._eE"):
        character = at(position)
        follower = at(position + 1) if position + 1 < size else ""
        if character == ".":
            if dot or follower in ("_", ".") or len(digits) > 10:
                return False, position + 1
            dot = True
            position += 1
        elif character in "eE":
            if exponent:
                return False, position + 1
            exponent = True
            position += 2 if follower in ("+", "-") else 1
            if position >= size or at(position) in "._eE":
                return False, min(position + 1, size)
        elif character == "_":
            position += 1
            if follower in ("", ".", "_", "e", "E"):
                return False, min(position + 1, size)
        else:
            while position < size and at(position) in digits:
                position += 1
    return position >= size or not (
        at(position).isascii() and (at(position).isalnum() or at(position) == "_")
    ), position


def _string(text: str, start: int) -> int:
    found = _QUOTED[text[start]].match(text, start)
    if found:
        return found.end()
    end = text.find("\n", start)
    line = Span(start, len(text) if end < 0 else end)
    if "\ufffd" in text[line.start : line.end]:
        raise PromQLSyntaxError("invalid UTF-8 rune in a string", line, r"write it as an escape: \ufffd")
    raise PromQLSyntaxError("unterminated quoted string", line, f"close it with {text[start]}")


def _unexpected(text: str, position: int, pattern: re.Pattern[str], tokens: list[Token]) -> PromQLSyntaxError:
    character = text[position]
    span = Span(position, position + 1)
    if pattern is _BRACES:
        hint = _in_braces(text, position, tokens)
        return PromQLSyntaxError(f"unexpected character inside braces: {character!r}", span, hint)
    if pattern is _BRACKETS:
        return PromQLSyntaxError(
            f"unexpected character in a duration: {character!r}", span, _in_brackets(text, position, tokens)
        )
    if character in "]}":
        name = "bracket" if character == "]" else "brace"
        return PromQLSyntaxError(f"unexpected right {name} {character!r}", span, "nothing opens it")
    hint = (
        "pipes are Flux; here calls are nested: sum(rate(x[5m]))"
        if text.startswith("|>", position)
        else _STRAY.get(character, "")
    )
    if text.startswith(("!~", "=~"), position) or (character == "~" and tokens and tokens[-1].kind == "="):
        hint = 'patterns match labels, between braces: {job=~"a.*"}'
    return PromQLSyntaxError(f"unexpected character: {character!r}", span, hint)


def _in_braces(text: str, position: int, tokens: list[Token]) -> str:
    character = text[position]
    if character == "{":
        return "the braces before are not closed"
    if character == "~" and tokens and tokens[-1].text == "!=":
        return 'what a pattern does not match is written {job!~"a.*"}'
    if character in "&|;":
        return 'conditions are separated by commas: {job="a", host="b"}; alternatives are a pattern: {job=~"a|b"}'
    if character in "(<>:":
        return dialects.LABELS
    if character.isdigit() or character in "./-*":
        return 'label values are quoted: {job="api"}'
    return ""


def _in_brackets(text: str, position: int, tokens: list[Token]) -> str:
    if text[position] == "$":
        return "variables of Grafana are not known to rules: write a duration, such as [5m]"
    word = _WORD.match(text, position)
    if word is not None and tokens and tokens[-1].kind == NUMBER and (hint := dialects.unit(tokens[-1].text + word[0])):
        return hint
    if word is not None and text[word.end() : word.end() + 1] in ("=", "!"):
        return dialects.LABELS
    return "a range looks like [5m], a subquery [1h:1m]"
