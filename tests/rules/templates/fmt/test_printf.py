"""``printf``: Go's verbs and flags, and the forms in which Go reports their misuse."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.templates.fmt.printf import sprintf

CASES = [
    ("%v %s %d %f %t %%", "1 a 2 3.500000 true %"),
    ("%.2f|%8.3f|%-8.1f|%+.1f|% .1f|%08.2f", "3.14|   3.142|3.1     |+3.1| 3.1|00003.14"),
    ("%e|%g|%G|%.3g", "3.141590e+00|3.14159|3.14159|3.14"),
    ("%5d|%-5d|%05d|%+d|% d|%x|%X|%#x|%o|%b|%c|%U|%q", "   42|42   |00042|+42| 42|2a|2A|0x2a|52|101010|*|U+002A|'*'"),
    ("%.5d|%8.3d|%.0d", "00042|     042|42"),
    ("%q|%x|% x|%X|%.2s|%6s|%-6s|", '"héé"|68c3a9c3a9|68 c3 a9 c3 a9|68C3A9C3A9|hé|   héé|héé   |'),
    ("%+q|%#q", '"h\\u00e9\\u00e9"|`héé`'),
]
ARGUMENTS = {0: (1, "a", 2, 3.5, True), 1: (3.14159,), 2: (3.14159,), 3: (42,), 4: (42,), 5: ("héé",), 6: ("héé",)}


@pytest.mark.parametrize("case", range(len(CASES)))
def test_formats(case: int) -> None:
    template, expected = CASES[case]
    values = ARGUMENTS[case]
    verbs = template.count("%") - 2 * template.count("%%")
    assert sprintf(template, values if len(values) == verbs else values * verbs) == expected


MISUSE = [
    ("%d", ("x",), "%!d(string=x)"),
    ("%s", (1.5,), "%!s(float64=1.5)"),
    ("%t", (1,), "%!t(int=1)"),
    ("%z", (True,), "%!z(bool=true)"),
    ("%s", (None,), "%!s(<nil>)"),
    ("%v", (None,), "<nil>"),
    ("%d %d", (1,), "1 %!d(MISSING)"),
    ("%d", (1, 2, "x"), "1%!(EXTRA int=2, string=x)"),
    ("%", (), "%!(NOVERB)"),
    ("%5", (1,), "%!(NOVERB)%!(EXTRA int=1)"),
    ("%[3]d", (1, 2), "%!d(BADINDEX)"),
    ("%*d", ("a", 2), "%!(BADWIDTH)2"),
    ("%.*f", ("a", 2.5), "%!(BADPREC)2.500000"),
    ("%[2]d %[1]d", (1, 2), "2 1"),
    ("%[1]d %d", (1, 2), "1 2"),
    ("%-*d|", (5, 42), "42   |"),
    ("%[3]*.[2]*[1]f|", (3.14159, 2, 8), "    3.14|"),
    ("%5.1f|%-6v|%+v", (math.inf, math.nan, math.inf), " +Inf|NaN   |+Inf"),
    ("%T %T", (1, "a"), "int string"),
]


@pytest.mark.parametrize(("template", "values", "expected"), MISUSE)
def test_reports_misuse_as_go_does(template: str, values: tuple[object, ...], expected: str) -> None:
    assert sprintf(template, values) == expected


@given(
    st.text(alphabet="%[]*.#0+- 123dsvxqfgeT!é", max_size=20),
    st.lists(st.none() | st.integers(-99, 99) | st.floats() | st.text() | st.booleans(), max_size=4),
)
def test_any_format_gives_a_text(template: str, values: list[object]) -> None:
    assert isinstance(sprintf(template, values), str)


def test_a_show_of_types_that_templates_hold(show: Callable[..., str]) -> None:
    assert show('{{ printf "%T %T %T" $labels (now | toTime) (query "hosts") }}') == (
        "map[string]string *time.Time template.queryResult"
    )
    assert show('{{ printf "%s|%v|%d" (args 1 "a") (toDuration 90) ((now | toTime).Sub (now | toTime)) }}') == (
        "map[arg0:%!s(int=1) arg1:a]|1m30s|0"
    )
