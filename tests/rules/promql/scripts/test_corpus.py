"""Prometheus' own test scripts, all of them, against the table in docs/promql.md."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from rules.promql.scripts.run import Outcome, Verdict, run_script

ROOT = Path(__file__).parents[4]
CORPUS = ROOT.parent / "shared" / "corpora" / "prometheus" / "promql" / "promqltest" / "testdata"
DOCS = (ROOT / "docs" / "promql.md").read_text()

STABLE = {"literals", "selectors", "staleness", "operators", "aggregators", "functions", "at_modifier", "subquery"} | {
    "trig_functions",
    "collision",
    "name_label_dropping",
    "range_queries",
    "histograms",
}

ROWS = {
    found[1]: (int(found[2]), int(found[3]))
    for found in re.finditer(r"^\| `(\w[\w-]*)\.test` \| ([0-9]+) \| ([0-9]+) \|", DOCS, re.MULTILINE)
}
REASONS = {found[2]: int(found[1]) for found in re.finditer(r"^\| ([0-9]+) \| ([^|`]+?) \|", DOCS, re.MULTILINE)}


@cache
def outcomes(name: str) -> tuple[Outcome, ...]:
    return tuple(run_script((CORPUS / f"{name}.test").read_text()))


needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"Prometheus' test scripts are not at {CORPUS}")


@needs_corpus
@pytest.mark.parametrize("name", sorted(ROWS))
def test_nothing_fails_and_the_numbers_are_those_of_the_documentation(name: str) -> None:
    found = outcomes(name)
    failed = [f"{name}.test:{outcome.line}: {outcome.reason}" for outcome in found if outcome.verdict is Verdict.FAILED]
    assert failed == []
    assert all(outcome.reason for outcome in found if outcome.verdict is Verdict.REFUSED)
    verdicts = Counter(outcome.verdict for outcome in found)
    assert (verdicts[Verdict.PASSED], verdicts[Verdict.REFUSED]) == ROWS[name]


@needs_corpus
def test_no_script_is_left_out() -> None:
    assert sorted(path.stem for path in CORPUS.glob("*.test")) == sorted(ROWS)
    assert set(ROWS) >= STABLE


@needs_corpus
def test_each_reason_for_a_refusal_is_documented() -> None:
    found = Counter(outcome.reason for name in ROWS for outcome in outcomes(name) if outcome.verdict is Verdict.REFUSED)
    assert dict(found) == REASONS
