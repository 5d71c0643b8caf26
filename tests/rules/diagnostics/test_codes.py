"""The kinds of diagnostics and the limits, as the docs report them."""

from __future__ import annotations

import re
from pathlib import Path

from rules.diagnostics.codes import CODES, ERRORS, LINTS, WARNINGS
from rules.files.yaml.decode import MAX_ALIASED, MAX_FAULTS, MAX_MERGES
from rules.files.yaml.tree import MAX_CHARACTERS, MAX_DEPTH, MAX_NODES

ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs" / "rules-check.md").read_text()


def test_the_docs_list_every_code() -> None:
    rows = dict(re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", DOCS, re.MULTILINE))
    assert rows == {code: kind.meaning for code, kind in CODES.items()}


def test_the_docs_report_the_limits() -> None:
    for limit in (MAX_CHARACTERS, MAX_NODES, MAX_DEPTH, MAX_MERGES, MAX_ALIASED, MAX_FAULTS):
        assert f"| {limit:,} |" in DOCS


def test_every_code_is_used() -> None:
    source = "".join(
        path.read_text() for folder in ("rules", "pipelines", "tidemark") for path in (ROOT / folder).rglob("*.py")
    )
    assert [code for code in CODES if source.count(f'"{code}"') < 2] == []


def test_a_code_is_an_error_or_a_warning() -> None:
    assert not ERRORS.keys() & WARNINGS.keys()
    assert tuple(WARNINGS) == LINTS
