from __future__ import annotations

import pytest

from rules.promql.regex import compile_pattern
from rules.promql.syntax.errors import PromQLSyntaxError


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        ("a|ab", "ab", True),
        ("a", "ba", False),
        ("a", "ab", False),
        ("a.b", "a\nb", True),
        ("(?i)A", "a", True),
        ("^a$", "a", True),
        ("", "", True),
        (r"\Q(", "(", True),
        ("é+", "éé", True),
    ],
)
def test_a_pattern_matches_whole_values(pattern: str, value: str, matches: bool) -> None:
    compiled = compile_pattern(pattern)
    assert [bool(method(value)) for method in (compiled.match, compiled.search, compiled.fullmatch)] == [matches] * 3


def test_groups_are_the_patterns_own() -> None:
    assert compile_pattern("(a)|(?P<b>b)").match("b").groups() == (None, "b")


@pytest.mark.parametrize("pattern", ["(", "a)|(b", "(?=a)", "a**", "x{1001}", r"\C", r"(a)\1", "\udcff"])
def test_what_is_no_re2_is_refused(pattern: str) -> None:
    with pytest.raises(PromQLSyntaxError, match="error parsing regexp") as raised:
        compile_pattern(pattern)
    assert "RE2" in raised.value.hint
