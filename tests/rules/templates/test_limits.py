"""No template can hang or fill memory: what grows without bound ends in a typed error."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rules.templates import TemplateLimitExceeded

Show = Callable[..., str]

UNBOUNDED = {
    "parentheses": "{{" + "(" * 5000 + "1" + ")" * 5000 + "}}",
    "blocks": "{{ if 1 }}" * 200 + "{{ end }}" * 200,
    "recursion": "{{ define `a` }}{{ if 1 }}{{ template `a` . }}{{ end }}{{ end }}{{ template `a` }}",
    "range over a number": "{{ range 9223372036854775807 }}{{ end }}",
    "output": "{{ range 1000000 }}0123456789{{ end }}",
    "a string doubled": "{{ $x := `ab` }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}",
    "a map doubled": "{{ $x := args 1 }}{{ range 60 }}{{ $x = args $x $x }}{{ end }}{{ $x }}",
    "a map nested": "{{ $x := args 1 }}{{ range 5000 }}{{ $x = args $x }}{{ end }}{{ $x }}",
    "a wide verb": '{{ printf "%9999999d" 1 }}',
    "a precise verb": '{{ printf "%.9999999f" 1.5 }}',
    "wide verbs": '{{ printf "%999999d%999999d" 1 2 }}',
    "replacements": '{{ $x := printf "%999999d" 1 }}{{ reReplaceAll "" $x $x }}',
    "work on a long text": '{{ $x := printf "%999999d" 1 }}{{ range 100000 }}{{ $y := title $x }}{{ end }}',
    "comparisons of a long text": '{{ $x := printf "%999999d" 1 }}{{ range 100000 }}{{ $y := eq $x $x }}{{ end }}',
}


@pytest.mark.parametrize("text", UNBOUNDED.values(), ids=UNBOUNDED)
def test_ends_in_a_typed_error(show: Show, text: str) -> None:
    with pytest.raises(TemplateLimitExceeded):
        show(text)


def test_what_people_write_is_far_from_the_limits(show: Show) -> None:
    nested = "{{ if 1 }}" * 40 + "x" + "{{ end }}" * 40
    listing = "{{ range 20000 }}{{ . }} {{ end }}"
    recursive = "{{ define `a` }}{{ if lt . 20 }}{{ . }},{{ template `b` . }}{{ end }}{{ end }}{{ define `b` }}{{ end }}{{ template `a` 1 }}"
    assert show(nested) == "x"
    assert show(listing).endswith(" 19999 ")
    assert show(recursive) == "1,"
