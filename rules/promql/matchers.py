"""What a label matcher means."""

from __future__ import annotations

from collections.abc import Callable

from rules.promql.regex import compile_pattern
from rules.promql.syntax.ast import Matcher, MatchOp


def predicate(matcher: Matcher) -> Callable[[str], bool]:
    """The matcher as a function of a label's value; the empty one stands for an absent label.

    Raises:
        PromQLSyntaxError: its pattern is none, or too long.
    """
    wanted = matcher.value
    if matcher.op is MatchOp.EQUAL:
        return wanted.__eq__
    if matcher.op is MatchOp.NOT_EQUAL:
        return wanted.__ne__
    pattern = compile_pattern(wanted)
    if matcher.op is MatchOp.REGEX:
        return lambda value: pattern.fullmatch(value) is not None
    return lambda value: pattern.fullmatch(value) is None
