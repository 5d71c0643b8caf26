"""Rule files read: what each kind of fault is called and where it is, what is read from the others, and that nothing breaks the loader."""

from __future__ import annotations

import random
import string
from functools import cache
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.diagnostics.codes import ERRORS, WARNINGS
from rules.diagnostics.model import Severity
from rules.files.load import load_rules
from rules.files.yaml.decode import MAX_ALIASED, MAX_FAULTS
from rules.files.yaml.tree import MAX_CHARACTERS, MAX_DEPTH
from rules.model import AlertingRule, RecordingRule

CORPORA = Path(__file__).parents[3].parent / "shared" / "corpora"
ALERT = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up == 0\n"


def rule(*lines: str) -> str:
    return "groups:\n- name: g\n  rules:\n  - " + "\n    ".join(lines) + "\n"


def group(*lines: str) -> str:
    return "groups:\n- " + "\n  ".join(lines) + "\n"


FAULTS = [
    ("groups: [", "yaml-syntax", (1, 10)),
    ("groups:\n- name: g\n\trules: []\n", "yaml-syntax", (3, 1)),
    ("groups: []\ngroup: []\n", "unknown-key", (2, 1)),
    ("tests: []\n", "unknown-key", (1, 1)),
    ("groups: []\ngroups: []\n", "duplicate-key", (2, 1)),
    ("- a\n", "wrong-type", (1, 1)),
    ("text", "wrong-type", (1, 1)),
    ("groups: 5\n", "wrong-type", (1, 9)),
    ("groups: *g\n", "unknown-anchor", (1, 9)),
    (group("name: g", "limt: 1"), "unknown-key", (3, 3)),
    (group("name: g", "limit: '1'"), "wrong-type", (3, 10)),
    (group("name: g", "limit: 99999999999999999999"), "wrong-type", (3, 10)),
    (group("name: g", "interval: 1x"), "bad-duration", (3, 13)),
    (group("name: g", "interval: -1s"), "bad-duration", (3, 13)),
    (group("name: g", "query_offset: 1s1m"), "bad-duration", (3, 17)),
    (group("name: ''"), "empty-group-name", (2, 9)),
    (group("rules: []"), "empty-group-name", (2, 3)),
    (group("name: g") + "- name: g\n", "duplicate-group", (3, 9)),
    (group("name: g", "labels: {__name__: x}"), "bad-label-name", (3, 12)),
    (group("name: g", "labels: [a]"), "wrong-type", (3, 11)),
    (rule("alert: A", "record: r", "expr: up"), "record-and-alert", (5, 5)),
    (rule("expr: up"), "no-record-or-alert", (4, 5)),
    (rule("alert: ''", "expr: up"), "no-record-or-alert", (4, 5)),
    (rule("alert: A"), "no-expr", (4, 5)),
    (rule("alert: A", "expr: ''"), "no-expr", (5, 5)),
    (rule("alert: A", "expr: [up]"), "wrong-type", (5, 11)),
    (rule("record: r", "expr: up", "for: 1m"), "alert-only-field", (6, 5)),
    (rule("record: r", "expr: up", "keep_firing_for: 1m"), "alert-only-field", (6, 5)),
    (rule("record: r", "expr: up", "annotations: {a: b}"), "alert-only-field", (6, 5)),
    (rule("record: 'r{a=\"b\"}'", "expr: up"), "bad-record-name", (4, 13)),
    (rule("alert: A", "expr: up", "labels: {'': x}"), "bad-label-name", (6, 14)),
    (rule("alert: A", "expr: up", "labels: {__name__: x}"), "bad-label-name", (6, 14)),
    (rule("alert: A", "expr: up", "labels: {a: !!binary /w==}"), "bad-label-value", (6, 17)),
    (rule("alert: A", "expr: up", "labels: {a: !!int x}"), "wrong-type", (6, 17)),
    (rule("alert: A", "expr: up", "annotations: {'': x}"), "bad-annotation-name", (6, 19)),
    (rule("alert: A", "expr: up", "summary: x"), "unknown-key", (6, 5)),
    (rule("alert: A", "expr: up", "for: 5"), "bad-duration", (6, 10)),
    (rule("alert: A", "expr: up", "annotations:", "  a: 'x {{ $vale }}'"), "template-syntax", (7, 16)),
    (rule("alert: A", "expr: sum(up"), "promql-syntax", (5, 14)),
    (rule("alert: A", "expr: |", "  sum(up)", "  > foo bar"), "promql-syntax", (7, 13)),
    (rule("alert: A", "expr: >-", "  sum(up)", "  > foo bar"), "promql-syntax", (7, 13)),
    (rule("alert: A", "expr: sum(up)", "  > foo bar"), "promql-syntax", (6, 13)),
    (rule("alert: A", "expr: 'a{b=''c''} d'"), "promql-syntax", (5, 23)),
    (rule("alert: A", 'expr: "a{b=\\"c\\"} d"'), "promql-syntax", (5, 23)),
    (rule("alert: A", "expr: mad_over_time(x[5m])"), "experimental", (5, 11)),
]

UNQUOTED = [
    (rule("alert: A", "expr: up", "annotations:", "  s: {{ $labels.x }}"), "`{{` is quoted: `s: '{{ $labels.x }}'`"),
    (rule("alert: A", "expr: up", "annotations:", "  s: {{ $labels.x }} is down"), "`{{` is quoted: `s: '{{ $labels.x }} is down'`"),
    (rule("alert: A", "expr: up", "annotations:", "  s: {{ $labels.x", "  t: x"), "`{{` is quoted: `s: '{{ $labels.x'`"),
    (rule("alert: A", "expr: up", "labels: {s: {{ $value }}}"), "`{{` is quoted: `s: '{{ $value }}'`"),
    (rule("alert: A", "expr: up", "annotations:", "  s: [FIRING] it's {{ $labels.x }}"), "`[` is quoted: `s: '[FIRING] it''s {{ $labels.x }}'`"),
    (rule("alert: A", "expr: up", "annotations:", "  s: [FIRING]"), "`[` is quoted: `s: '[FIRING]'`"),
    (rule("alert: A", 'expr: {job="x"} > 1'), "`{` is quoted: `expr: '{job=\"x\"} > 1'`"),
    (rule("alert: A", 'expr: {job="x"}'), "`{` is quoted: `expr: '{job=\"x\"}'`"),
    (rule("alert: A", 'expr: "up" == 0'), "the quotes end before the text does"),
    (rule("alert: A", "expr: up", "annotations:", "  s: @here"), "`@` is quoted: `s: '@here'`"),
    (rule("alert: A", "expr: up", "annotations:", "  s: *bold* text"), "`*` is quoted"),
    (ALERT.replace("groups:", "groups"), "a key ends with a colon: `groups:`"),
    (rule("alert: A", "expr: up", "labels", "  a: b"), "a key ends with a colon: `labels:`"),
    (rule("alert: A", "expr: up: x"), "quote a value that holds"),
    (ALERT.removeprefix("groups:\n"), "the list `groups:` around it is missing"),
    ("rules:\n- alert: A\n  expr: up\n", "the list `groups:` around it is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "hint"), UNQUOTED)
def test_what_to_write_where_yaml_reads_more_than_text(text: str, hint: str) -> None:
    assert hint in load_rules(text, "f.yml").diagnostics[0].hint


@pytest.mark.parametrize(
    ("text", "code", "place"), FAULTS, ids=[f"{code}-{i}" for i, (_, code, _) in enumerate(FAULTS)]
)
def test_faults_have_a_code_and_a_place(text: str, code: str, place: tuple[int, int]) -> None:
    loaded = load_rules(text, "f.yml")
    assert loaded.file is None
    found = [each for each in loaded.diagnostics if each.severity is Severity.ERROR]
    assert [(each.code, each.span[:2]) for each in found] == [(code, place)]
    assert found[0].message
    assert found[0].file == "f.yml"


WARNED = [
    ("", "no-groups"),
    ("# nothing\n", "no-groups"),
    ("{}\n", "no-groups"),
    ("groups: [null]\n", "null-item"),
    (group("name: g", "rules: [~]"), "null-item"),
    ("groups: []\n---\n[\n", "second-document"),
    (group("name: g", "limit: 1.5"), "fraction"),
    (group("name: g", "labels: {~: x}"), "null-key"),
    (rule("record: r", "expr: rate(x[5m*2])"), "unsupported"),
]


@pytest.mark.parametrize(("text", "code"), WARNED)
def test_what_prometheus_accepts_is_no_error(text: str, code: str) -> None:
    loaded = load_rules(text, "f.yml")
    assert [(each.code, each.severity) for each in loaded.diagnostics] == [(code, Severity.WARNING)]
    assert (loaded.file is None) == (code == "unsupported")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (group("nam: g", "name: h"), "did you mean 'name'?"),
        ("tests: []\n", "`tidemark rules test`"),
        ("scrape_configs: []\n", "configuration of Prometheus"),
        ("groups:\n- name: g\n\trules: []\n", "spaces, not tabs"),
        (rule("alert: A", "expr: up", 'labels: {a: "\\d"}'), "double quotes read backslashes"),
        (rule("alert: A", "expr: up", "summary: x"), "under `annotations:`"),
        (rule("alert: A", "expr: up", "annotations: {a: '{{ $vale }}'}"), "did you mean $value?"),
        (rule("alert: A", "expr: >", "  # why", "  up"), "write the expression after `|`"),
    ],
)
def test_hints_say_what_to_write(text: str, hint: str) -> None:
    assert any(hint in each.hint for each in load_rules(text, "f").diagnostics)


def test_every_fault_of_a_file_is_reported_at_once() -> None:
    text = rule("alert: A", "expr: sum(", "for: 1x", "sevrity: x", "labels: {__name__: y}")
    codes = [each.code for each in load_rules(text, "f").diagnostics]
    assert codes == ["promql-syntax", "bad-duration", "unknown-key", "bad-label-name"]


def test_a_misspelt_template_function_is_underlined_alone_and_has_a_hint() -> None:
    line = "  a: '{{ $value | humanise -}} s'"
    (found,) = load_rules(rule("alert: A", "expr: up", "annotations:", line), "x.yml").diagnostics
    assert found.hint == "did you mean humanize?"
    assert found.span.end_column - found.span.column == len("humanise")


def test_every_code_that_is_used_is_documented() -> None:
    used = {code for _, code, _ in FAULTS} | {code for _, code in WARNED}
    assert used <= set(ERRORS) | set(WARNINGS)


def test_a_file_is_read_as_it_is_meant() -> None:
    text = """
groups:
- name: true
  interval: 1m30s
  query_offset: 0
  limit: 0x10
  labels: {team: infra}
  rules:
  - &high
    alert: High
    expr: &expr up{job="a"} == 0
    for: 5m
    keep_firing_for: 1h
    labels: {severity: 1.50, none: null}
    annotations:
      summary: |
        {{ $labels.job }}
  - <<: *high
    alert: Higher
  - record: r
    expr: *expr
    for:
"""
    loaded = load_rules(text, "f.yml")
    assert loaded.diagnostics == []
    assert loaded.file is not None
    (found,) = loaded.file.groups
    assert (found.name, found.interval_ms, found.query_offset_ms, found.limit) == ("true", 90_000, 0, 16)
    assert found.labels == {"team": "infra"}
    high, higher, recorded = found.rules
    assert isinstance(high, AlertingRule)
    assert isinstance(recorded, RecordingRule)
    assert (high.for_ms, high.keep_firing_for_ms) == (300_000, 3_600_000)
    assert high.labels == {"severity": "1.50", "none": ""}
    assert high.annotations == {"summary": "{{ $labels.job }}\n"}
    assert isinstance(higher, AlertingRule)
    assert (higher.alert, higher.ast, higher.for_ms) == ("Higher", high.ast, 300_000)
    assert recorded.ast == high.ast
    assert high.place.line == 9
    assert text.splitlines()[high.place.of("expr").line - 1].strip().startswith("expr:")
    assert recorded.place.within("expr", recorded.ast.span).line == 11


def test_a_file_of_aliases_is_refused_at_once() -> None:
    laughs = "a: &a0 [x]\n" + "".join(f"k{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    assert load_rules(laughs, "f").file is None
    rules = "groups:\n- &g\n  name: g\n  rules: &r\n" + "  - {record: r, expr: up}\n" * 2_000
    many = rules + "- {name: h, rules: *r}\n" * (MAX_ALIASED // 2_000 + 1)
    assert load_rules(many, "f").diagnostics[-1].code in ("too-many-aliases", "too-many-faults")


def test_anchors_that_merge_themselves_or_each_other_without_end_are_refused() -> None:
    cycle = group("name: g", "labels: &l {<<: *l}")
    assert [each.code for each in load_rules(cycle, "f").diagnostics] == ["alias-cycle"]
    chain = "- {name: g0, labels: &l0 {a: b}}\n" + "".join(
        f"- {{name: g{i}, labels: &l{i} {{<<: *l{i - 1}}}}}\n" for i in range(1, 3_000)
    )
    assert [each.code for each in load_rules(f"groups:\n{chain}", "f").diagnostics] == ["too-deep"]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_nesting_ends_somewhere(opening: str) -> None:
    (found,) = load_rules(opening * 100_000, "f").diagnostics
    assert found.code == "too-deep"
    assert str(MAX_DEPTH) in found.message


def test_a_file_has_a_largest_size() -> None:
    (found,) = load_rules("#" * (MAX_CHARACTERS + 1), "f").diagnostics
    assert found.code == "file-too-large"


def test_findings_end_somewhere() -> None:
    found = load_rules("groups:\n" + "- nam: x\n" * 5_000, "f").diagnostics
    assert "too-many-faults" in [each.code for each in found]
    assert len(found) <= MAX_FAULTS + 2


@cache
def corpus() -> list[str]:
    folders = [CORPORA / "prometheus" / "rules", CORPORA / "prometheus" / "cmd", CORPORA / "awesome-prometheus-alerts"]
    return [path.read_text() for folder in folders for path in sorted(folder.rglob("*.y*ml"))]


def sound(text: str) -> None:
    """Whatever the text, there is a verdict, and each finding is within it."""
    loaded = load_rules(text, "f")
    refused = [each for each in loaded.diagnostics if each.severity is Severity.ERROR or each.code == "unsupported"]
    assert (loaded.file is None) == bool(refused)
    lines = text.count("\n") + text.count("\r") + 1
    for each in loaded.diagnostics:
        assert each.code in ERRORS or each.code in WARNINGS
        assert 1 <= each.span.line <= lines
        assert (each.span.line, each.span.column) <= (each.span.end_line, each.span.end_column)


@given(st.text())
def test_any_text_has_a_verdict(text: str) -> None:
    sound(text)


@given(st.text(alphabet="groups:\n -{}[]&*!|>'\"#<,?ab01%@`\t\r\ufeff\u2028"))
def test_any_yaml_like_text_has_a_verdict(text: str) -> None:
    sound(text)


KEYS = st.sampled_from(
    [
        *"ab",
        "groups",
        "name",
        "rules",
        "alert",
        "record",
        "expr",
        "for",
        "labels",
        "annotations",
        "limit",
        "interval",
        "<<",
        "__name__",
        "",
    ]
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.binary(max_size=3), st.dates(),
    st.sampled_from(["up", "sum(up", "5m", "{{ $value }}", "{{ nope }}", "rate(x[5m])"]),
)  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=20,
)
RULES = st.dictionaries(KEYS, TREES, max_size=5)
GROUPS = st.fixed_dictionaries(
    {"groups": st.lists(st.one_of(TREES, st.fixed_dictionaries({"name": LEAVES, "rules": st.lists(RULES)})))}
)


@given(st.one_of(TREES, GROUPS), st.sampled_from([None, "'", '"', "|", ">"]), st.booleans())
def test_any_structure_has_a_verdict(value: object, style: str | None, flow: bool) -> None:
    sound(yaml.dump(value, default_style=style, default_flow_style=flow, allow_unicode=True))


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_broken_corpus_has_a_verdict(chance: random.Random) -> None:
    texts = corpus() if CORPORA.exists() else [ALERT]
    text = chance.choice(texts)[:4_000]
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(text) + 1)
        what = chance.choice(
            ["", "\n", "  ", ": ", "- ", "&a ", "*a", "{", "}", '"', "'", "|\n", chance.choice(string.printable)]
        )
        text = text[:at] + what + text[at + chance.randint(0, 5) :]
    sound(text)
