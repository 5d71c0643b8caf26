"""Which labels a template names and which expressions it queries."""

from __future__ import annotations

import pytest

from rules.templates import labels_used, parse_template, queries


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("plain", set()),
        ("{{ $labels.a }} {{ .Labels.b }} {{ $.Labels.c }}", {"a", "b", "c"}),
        ('{{ index $labels "a" }} {{ "b" | index .Labels }} {{ (index ($labels) "c") | toUpper }}', {"a", "b", "c"}),
        ("{{ if eq $labels.a `x` }}{{ else }}{{ $y := $labels.b }}{{ end }}", {"a", "b"}),
        ("{{ with $labels }}{{ .a }}{{ end }}{{ with .Labels }}{{ .b }}{{ end }}{{ .Labels.c }}", {"a", "b", "c"}),
        ("{{ range query `up` }}{{ .Labels.other }}{{ $labels.a }}{{ $.Labels.b }}{{ end }}", {"a", "b"}),
        ("{{ with query `up` | first }}{{ .Labels.other }}{{ end }}", set()),
        ("{{ define `t` }}{{ .Labels.a }}{{ end }}{{ template `t` . }}", {"a"}),
        ("{{ printf `%s of %v` $labels.a (humanize $value) }}{{ ($labels).b }}{{ (.).Labels.c }}", {"a", "b", "c"}),
        ("{{ $labels }} {{ $externalLabels.dc }} {{ .ExternalLabels.dc }} {{ $value }}", set()),
    ],
)
def test_labels(text: str, names: set[str]) -> None:
    assert labels_used(parse_template(text)) == names


@pytest.mark.parametrize(
    ("text", "expressions"),
    [
        ("{{ $value }}", []),
        ('{{ query "up" | first | value }}', ["up"]),
        ('{{ "up" | query }}{{ with query `a{b="c"}` }}{{ end }}', ["up", 'a{b="c"}']),
        ('{{ range query ("x") }}{{ end }}{{ (query "y" | first).Value }}', ["x", "y"]),
        ('{{ printf "a{b=%q}" $labels.b | query }}{{ query $labels.q }}', []),
        ('{{ define "t" }}{{ query "z" }}{{ end }}', ["z"]),
    ],
)
def test_queries(text: str, expressions: list[str]) -> None:
    assert sorted(queries(parse_template(text))) == sorted(expressions)
