"""The layout of rule files: one form, comments kept, nothing meant otherwise."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.files.format import format_rules, same_meaning
from rules.files.format_writer import layout
from rules.files.load import load_rules
from rules.files.yaml.comments import comments_of
from rules.files.yaml.tree import compose

CORPORA = Path(__file__).parents[3].parent / "shared" / "corpora"
MESSY = """\
# of the file

# of the groups
---
groups: # beside
- rules:
  # of the rule
  - expr: |
      sum(x)  # inside
      > 5
    alert: A # beside the name
    # of the labels
    labels: {severity: "x", b: &a c, n: 5} # flow
    annotations:
        summary: "aaa {{ $value }}"   # trail

        desc: 'it''s'
        # end of annotations
    # end of rule
  # of the second
  - # dash
    record: foo
    expr: |-
      # above
      a
      + b
      # below
  name: a
  # end of group

# - name: old
- name: b
  interval: 1m
  rules:
  - alert: X
    expr: up==0
  # - alert: Y
# end
"""
NEAT = """\
---
# of the file

# of the groups
groups:  # beside
  - name: a
    rules:
      # of the rule
      - alert: A  # beside the name
        expr: |
          sum(x)  # inside
          > 5
        # of the labels
        labels:
          severity: x
          b: &a c
          "n": "5"  # flow
        annotations:
          summary: aaa {{ $value }}  # trail
          desc: it's
          # end of annotations
        # end of rule

      # of the second
      -
        # dash
        record: foo
        expr: |
          # above
          a + b
          # below
    # end of group

  # - name: old
  - name: b
    interval: 1m
    rules:
      - alert: X
        expr: up == 0
      # - alert: Y
# end
"""


def test_a_messy_file_becomes_a_neat_one() -> None:
    formatted = format_rules(MESSY, "f.yml")
    assert formatted.text == NEAT
    assert [each.code for each in formatted.diagnostics] == ["not-formatted"]


def test_a_neat_file_stays() -> None:
    assert format_rules(NEAT, "f.yml").text == NEAT


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("groups: [", "yaml-syntax"),
        ("groups: [{name: a, rules: [{alert: A, expr: 'sum('}]}]", "promql-syntax"),
        ("groups: []\n---\ngroups: []\n", "not-formatted"),
        ("%YAML 1.1\n---\ngroups: []\n", "not-formatted"),
    ],
)
def test_what_cannot_be_laid_out_is_refused_with_its_reason(text: str, code: str) -> None:
    formatted = format_rules(text, "f.yml")
    assert formatted.text is None
    assert code in [each.code for each in formatted.diagnostics]


LONG = "rate(requests_of_a_service_with_a_long_name_total{code=~'5..'}[5m])"


@pytest.mark.parametrize(
    ("expr", "lines"),
    [
        ("up==0", ["up == 0"]),
        ("# why\nup==0", ["# why", "up == 0"]),
        ("up==0 # why", None),
        ("(up # why\n==0)", None),
        (f"{LONG}/{LONG}>0.5", [LONG, "/", LONG, "> 0.5"]),
        (f"up and {LONG}/{LONG}", ["up", "and", f"  {LONG}", "  /", f"  {LONG}"]),
        (f"sum({LONG}/{LONG})", ["sum(", f"  {LONG}", "  /", f"  {LONG}", ")"]),
    ],
)
def test_expressions(expr: str, lines: list[str] | None) -> None:
    found = layout(expr)
    assert (found and found.replace('"', "'").split("\n")) == lines


NEAT_PAIR = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up == 0\n{}\n  - alert: B\n    expr: up == 1\n"


@cache
def corpus() -> list[tuple[str, str]]:
    if not CORPORA.exists():
        pytest.skip(f"{CORPORA} is not there")
    found = [(str(path), path.read_text()) for path in sorted(CORPORA.rglob("*.y*ml")) if path.stat().st_size < 50_000]
    return [(name, text) for name, text in found if load_rules(text, name).file is not None]


def check_layout(name: str, text: str) -> None:
    before = load_rules(text, name)
    assert before.file is not None
    formatted = format_rules(text, name)
    if formatted.text is None:
        assert [each.code for each in formatted.diagnostics][-1] == "not-formatted"
        return
    after = load_rules(formatted.text, name)
    assert after.file is not None
    assert same_meaning(before.file, after.file)
    assert comments_of(compose(text)).texts() == comments_of(compose(formatted.text)).texts()
    assert format_rules(formatted.text, name).text == formatted.text


def test_every_corpus_keeps_its_meaning_and_its_comments() -> None:
    for name, text in corpus():
        check_layout(name, text)


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_comments_anywhere_stay_and_the_layout_is_stable(chance: random.Random) -> None:
    name, text = chance.choice([*corpus(), ("messy", MESSY), ("neat", NEAT)])
    lines = text[:3_000].split("\n")[:-1]
    for i in range(chance.randint(1, 5)):
        at = chance.randrange(len(lines) + 1)
        comment = f"# c{i}"
        if at < len(lines) and chance.random() < 0.5:
            lines[at] += f" {comment}"
        else:
            lines.insert(at, " " * chance.randint(0, 10) + comment)
    changed = "\n".join(lines) + "\n"
    if load_rules(changed, name).file is not None:
        check_layout(name, changed)


def test_a_comment_deeper_than_the_dash_leads_the_rule_below_it() -> None:
    text = NEAT_PAIR.format("   # c")
    formatted = format_rules(text, "f").text
    assert formatted is not None
    assert "expr: up == 0\n\n      # c\n      - alert: B\n" in formatted
    assert format_rules(formatted, "f").text == formatted


def test_a_change_of_meaning_is_seen() -> None:
    one, other = (load_rules(NEAT.replace("up == 0", expr), "f").file for expr in ("up == 0", "up == 1"))
    assert one is not None
    assert other is not None
    assert not same_meaning(one, other)
    nan = load_rules(NEAT.replace("up == 0", "up == NaN"), "f").file
    assert nan is not None
    assert same_meaning(nan, load_rules(NEAT.replace("up == 0", "up   == NaN"), "f").file or one)
