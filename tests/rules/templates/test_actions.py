"""What the actions of a template do: values, variables, branches, loops and templates in templates."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rules.templates import TemplateContext, TemplateError, expand, expand_or_error

Show = Callable[..., str]

CASES = [
    ("plain", "plain"),
    ("{{ 1 }}", "1"),
    ("{{ $value }} {{ .Value }} {{ $.Value }}", "1.2345675e+06 1.2345675e+06 1.2345675e+06"),
    ("{{ $labels.job }}/{{ .Labels.job }}/{{ $.Labels.job }}", "db/db/db"),
    ("[{{ $labels.nope }}]", "[]"),
    ("{{ $labels }}", "map[__name__:up instance:db-1.example.com:9090 job:db]"),
    ("{{ (args 1).arg1 }}", "<no value>"),
    ("a \n {{- 1 -}} \n b", "a1b"),
    ("a {{-1}} {{- /* gone */ -}} b", "a -1b"),
    ("{{ if 0 }}a{{ else if `` }}b{{ else if $value }}c{{ else }}d{{ end }}", "c"),
    ("{{ with $labels.job }}{{ . }}{{ else }}none{{ end }}", "db"),
    ("{{ with $labels.x }}{{ . }}{{ else with 5 }}{{ . }}{{ end }}", "5"),
    ("{{ range $k, $v := $externalLabels }}{{ $k }}={{ $v }}{{ end }}", "dc=eu"),
    ("{{ range $labels }}{{ . }},{{ end }}", "up,db-1.example.com:9090,db,"),
    ("{{ range 3 }}{{ . }}{{ end }}{{ range 0 }}x{{ else }}none{{ end }}", "012none"),
    ("{{ range 9 }}{{ if eq . 1 }}{{ continue }}{{ end }}{{ if eq . 3 }}{{ break }}{{ end }}{{ . }}{{ end }}", "02"),
    ("{{ range query `hosts` }}{{ .Labels.host }}{{ .Value }} {{ end }}", "b2 a1 "),
    ("{{ range $i, $s := query `hosts` }}{{ $i }}{{ $s.Labels.host }} {{ end }}", "0b 1a "),
    ("{{ range query `nothing` }}x{{ else }}none{{ end }}", "none"),
    ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $y := 3 }}{{ $y }}{{ end }}{{ $x }}", "32"),
    ("{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}", "21"),
    ("{{ $x := 0 }}{{ range $x = 3 }}{{ end }}{{ $x }}", "2"),
    ("{{ define `t` }}<{{ .arg0 }} {{ .arg1 }}>{{ end }}{{ template `t` (args 1 `b`) }}", "<1 b>"),
    ("{{ define `t` }}{{ $.Labels.job }}{{ end }}{{ template `t` . }}", "db"),
    ("{{ block `b` 5 }}<{{ . }}>{{ end }}{{ template `b` 6 }}", "<5><6>"),
    ("{{ and 1 0 2 }}{{ or 0 `x` }}{{ not 1 }}{{ 1 | and 2 }}", "0xfalse1"),
    ("{{ or 1 (first nil) }}", "1"),
    ("{{ `db` | eq $labels.job }}", "true"),
    ("{{ 'a' }} {{ 0x10 }} {{ 017 }} {{ 1e3 }} {{ 1_000 }}", "97 16 15 1000 1000"),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_expands(show: Show, text: str, expected: str) -> None:
    assert show(text) == expected


def test_the_installation(show: Show) -> None:
    text = "{{ $externalLabels.dc }} {{ $externalURL }} {{ externalURL }} {{ pathPrefix }} {{ .ExternalURL }}"
    url = "http://prom:9090/p%20x"
    assert show(text) == f"eu {url} {url} /p x {url}"


def test_the_cursor_prints_as_go_prints_a_struct(show: Show) -> None:
    labels = "map[__name__:up instance:db-1.example.com:9090 job:db]"
    assert show("{{ . }}", 2.0) == f"{{{labels} map[dc:eu] http://prom:9090/p%20x 2}}"


FAILURES = [
    ("{{ .Nope }}", "can't evaluate field Nope in type struct { Labels map[string]string;"),
    ("{{ $labels.job.x }}", "can't evaluate field x in type string"),
    ("{{ .Value.x }}", "can't evaluate field x in type interface {}"),
    ("{{ (args 1).x.y }}", "nil pointer evaluating interface {}.y"),
    ("{{ 1 2 }}", "can't give argument to non-function 1"),
    ("{{ $labels.job 1 }}", "job is not a method but has arguments"),
    ("{{ nil }}", "nil is not a command"),
    ("{{ template `t` }}", 'template "t" not defined'),
    ("{{ and false ($y := 1) }}{{ $y }}", "undefined variable: $y"),
    ("{{ range 1.5 }}{{ end }}", "range can't iterate over 1.5"),
    ("{{ range $i, $e := 3 }}{{ end }}", "can't use 3 to iterate over more than one variable"),
    ("{{ humanize }}", "wrong number of args for humanize: want 1 got 0"),
    ("{{ printf }}", "wrong number of args for printf: want at least 1 got 0"),
    ("{{ toUpper 1 }}", "expected string; found 1"),
    ("{{ 1 | toUpper }}", "wrong type for value; expected string; got int"),
    ("{{ toUpper nil }}", "cannot assign nil to string"),
    ("{{ 9223372036854775808 }}", "9223372036854775808 overflows int"),
]


@pytest.mark.parametrize(("text", "message"), FAILURES)
def test_fails_on_its_data(show: Show, text: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        show(text)
    assert caught.value.message.startswith(message)


def test_a_failure_has_the_place_of_the_author_and_the_words_of_prometheus() -> None:
    context = TemplateContext({"job": "db"}, 1.0)
    text = 'é\n  {{ humanize "x" }}'
    with pytest.raises(TemplateError) as caught:
        expand(text, context, "Slow")
    reason = 'error calling humanize: strconv.ParseFloat: parsing "x": invalid syntax'
    assert (caught.value.line, caught.value.column, caught.value.message) == (2, 6, reason)
    assert expand_or_error(text, context, "Slow") == (
        "<error expanding template: error executing template __alert_Slow: "
        f'template: __alert_Slow:2:5: executing "__alert_Slow" at <humanize "x">: {reason}>'
    )
    assert expand_or_error("{{ foo }}", context, "Slow") == (
        "<error expanding template: error parsing template __alert_Slow: "
        'template: __alert_Slow:1: function "foo" not defined>'
    )


def test_the_column_of_the_first_line_counts_the_prelude_as_prometheus_does(show: Show) -> None:
    with pytest.raises(TemplateError) as caught:
        show("{{ $labels.job.x }}")
    assert caught.value.column == 11
    assert "__alert_A:1:122:" in caught.value.go_message


def test_a_template_leaves_no_trace_in_the_next_expansion() -> None:
    text = "{{ $n := 1 }}{{ $labels.job }}{{ $n = 2 }}{{ $n }}"
    assert [expand(text, TemplateContext({"job": job}, 0.0)) for job in ("a", "b")] == ["a2", "b2"]


def test_characters_cut_apart_become_whole_or_replaced() -> None:
    context = TemplateContext({"x": "é"}, 0.0)
    assert expand("{{ slice $labels.x 0 1 }}{{ slice $labels.x 1 }}", context) == "é"
    assert expand("{{ slice $labels.x 1 }}|", context) == "\ufffd|"
