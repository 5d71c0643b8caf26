"""Patterns of label matchers and label functions: RE2, anchored at both ends, a dot matching newlines too, as in Prometheus."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import re2

from rules.promql.syntax.errors import PromQLSyntaxError

if TYPE_CHECKING:
    Pattern = Any
else:
    Pattern = object


def _options() -> Any:
    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    options.max_mem = 64 << 20
    return options


MAX_PATTERN = 100_000
"""Characters of a pattern: RE2 takes some ten kilobytes of memory to refuse each of them."""

_OPTIONS = _options()
# A repetition at the start of an alternative, as in the patterns of a shell.
_NOTHING_BEFORE = re.compile(r"(^|[(|])([*+?])")
_DOUBLED = re.compile(r"(?<=[^.\\\\])\*\*+")
_ESCAPES = re.compile(r"\\.", re.DOTALL)


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str) -> Pattern:
    """A pattern that matches whole values only, whichever of its methods is called; the groups are the pattern's own.

    Raises:
        PromQLSyntaxError: if it is not RE2 syntax, without a span: the caller knows where it stands.
    """
    if len(pattern) > MAX_PATTERN:
        raise PromQLSyntaxError(f"pattern of more than {MAX_PATTERN:,} characters: {pattern[:60]!r}...")
    try:
        # On its own first: `a)|(b` is only valid between the anchors.
        re2.compile(pattern, _OPTIONS)
        if any(escape == r"\C" for escape in _ESCAPES.findall(pattern)):
            raise re2.error("invalid escape sequence: \\C")
        if pattern.rfind(r"\Q") > pattern.rfind(r"\E"):
            pattern += r"\E"
        return re2.compile(rf"\A(?:{pattern})\z", _OPTIONS)
    except (re2.error, UnicodeError) as error:
        reason = error.args[0] if error.args else "invalid"
        if isinstance(reason, bytes):
            reason = reason.decode(errors="replace")
        raise PromQLSyntaxError(
            f"error parsing regexp {pattern!r}: {reason}",
            hint=_hint(pattern, reason),
        ) from error


def _hint(pattern: str, reason: str) -> str:
    """What the author of a faulty pattern meant, most often one of a shell's."""
    if "repetition operator" in reason:
        mended = _DOUBLED.sub(".*", _NOTHING_BEFORE.sub(r"\1.\2", pattern))
        try:
            re2.compile(mended, _OPTIONS)
        except re2.error:
            mended = ""
        write = f": write {mended!r}" if mended else ""
        return f"patterns are RE2: `*`, `+` and `?` repeat what stands before them, and any text is `.*`{write}"
    if "(?" in reason:
        return "patterns are RE2, which has no look-around: what must not match goes into a matcher of its own, by !~"
    if "missing" in reason or "unexpected )" in reason:
        return "patterns are RE2: a literal bracket or parenthesis is escaped: \\\\[ within double quotes"
    return "patterns are RE2: no look-around or back-references; a literal bracket is escaped"
