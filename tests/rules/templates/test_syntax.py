"""Which templates parse, and what is said of those that do not: the verdicts and messages of ``promtool check rules`` 3.14."""

from __future__ import annotations

import pytest

from rules.templates import TemplateError, parse_template

GOOD = [
    "",
    "plain } text }} with { braces",
    "{{ . }}",
    "{{ $labels.instance }} {{ $value }} {{ $externalLabels.dc }} {{ $externalURL }}",
    "{{- /* a comment */ -}}",
    "{{ (index .Labels `job`).x }}",
    "{{ if eq 1 2 }}a{{ else if .Value }}b{{ else }}c{{ end }}",
    "{{ with $x := .Value }}{{ $x }}{{ else with .Labels }}{{ . }}{{ end }}",
    "{{ range $i, $e := .Labels }}{{ if $i }}{{ break }}{{ end }}{{ continue }}{{ end }}",
    "{{ define `a` }} {{ end }}{{ define `a` }}again{{ end }}",
    "{{ block `b` . }}{{ end }}{{ template `c` }}",
    "{{ 'x' }}{{ 0x1F }}{{ 1_000 }}{{ 0b11 }}{{ 017 }}{{ 1e3 }}{{ .5 }}{{ 1i }}{{ 1+2i }}{{ 0x1p-2 }}",
    "{{ print nil }}",
    "{{ 1 | print 2 | printf `%v%v` }}",
]

BAD = [
    ("{{", 1, 3, "unclosed action"),
    ("a\n{{ foo }}", 2, 4, 'function "foo" not defined'),
    ("{{ $x }}", 1, 4, 'undefined variable "$x"'),
    ("{{ if true }}", 1, 14, "unexpected EOF"),
    ("{{ end }}", 1, 8, "unexpected {{end}}"),
    ("{{ if }}x{{ end }}", 1, 7, "missing value for if"),
    ("{{}}", 1, 3, "missing value for command"),
    ('{{ "a }}', 1, 4, "unterminated quoted string"),
    ('{{ "\\q" }}', 1, 4, "invalid syntax"),
    ("{{ 'ab' }}", 1, 4, "malformed character constant: 'ab'"),
    ("{{ `a }}", 1, 4, "unterminated raw quoted string"),
    ("{{ 5x }}", 1, 4, 'bad number syntax: "5x"'),
    ("{{ 08 }}", 1, 4, 'integer overflow: "08"'),
    ("{{ 1e400 }}", 1, 4, 'illegal number syntax: "1e400"'),
    ("{{ (1 }}", 1, 7, "unclosed left paren"),
    ("{{ 1) }}", 1, 5, "unexpected right paren"),
    ("{{ 1 | 2 }}", 1, 8, "non executable command in pipeline stage 2"),
    ("{{ 1 + 2 }}", 1, 6, 'illegal number syntax: "+"'),
    ("{{ .Labels.a-b }}", 1, 11, "bad character U+002D '-'"),
    ("{{\u00a0}}", 1, 3, "unrecognized character in action: U+00A0"),
    ('{{ "a".b }}', 1, 7, 'unexpected . after term "\\"a\\""'),
    ("{{ break }}", 1, 4, "{{break}} outside {{range}}"),
    ("{{ $a, $b := 1 }}", 1, 6, "too many declarations in command"),
    ("{{ range $a, 1 }}{{ end }}", 1, 12, "range can only initialize variables"),
    ("{{ define x }}{{ end }}", 1, 11, 'unexpected "x" in define clause'),
    ("{{ template x }}", 1, 13, 'unexpected "x" in template clause'),
    ("{{ if 1 }}{{ define `a` }}{{ end }}{{ end }}", 1, 14, "unexpected <define> in command"),
    ("{{/* a }}", 1, 3, "unclosed comment"),
    ("{{/* a */ b }}", 1, 3, "comment ends before closing delimiter"),
    ("{{ define `a` }}1{{ end }}{{ define `a` }}2{{ end }}", 1, 43, 'template: multiple definition of template "a"'),
    ("{{ if 1 }}{{ else }}{{ else }}{{ end }}", 1, 29, "expected end; found {{else}}"),
    ("{{ . }", 1, 6, 'unexpected "}" in operand'),
    ("{{ $x\n:= }}", 2, 4, "missing value for command"),
]


@pytest.mark.parametrize("text", GOOD)
def test_parses(text: str) -> None:
    assert parse_template(text).text == text


@pytest.mark.parametrize(("text", "line", "column", "message"), BAD)
def test_says_what_is_wrong_and_where(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template(text)
    assert (caught.value.message, caught.value.line, caught.value.column) == (message, line, column)
    assert str(caught.value) == f"{line}:{column}: {message}"


def test_names_the_alert_as_prometheus_does() -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template("one\n{{ foo }}", "Down")
    assert caught.value.go_message == (
        'error parsing template __alert_Down: template: __alert_Down:2: function "foo" not defined'
    )


def test_an_action_over_lines_is_named_by_its_first() -> None:
    with pytest.raises(TemplateError, match="unclosed action started at __alert_A:2"):
        parse_template("x\n{{ 1\n\n", "A")
