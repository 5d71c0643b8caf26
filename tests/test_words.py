"""Words: the project has no vocabulary of its own. Its terms are those of Apache Beam, Flink and Prometheus; programs report, send and receive."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = (
    "schemas",
    "rules",
    "transforms",
    "pipelines",
    "tidemark",
    "services",
    "deploy",
    "docs",
    "tests",
    "benchmarks",
    "examples",
)

OWN = re.compile(r"(?<![A-Za-z])(?:tells?|telling|told|hears?|heard|speaks?|spoken|asides?)(?![A-Za-z])", re.IGNORECASE)
"""Verbs of people that were once used of programs, in prose and in names."""

ENGLISH = re.compile(
    r"told[ _]apart|tell its senders apart|\(names aside\)|message aside|file\.tell\(\)"
    r'|"told"|``told``|`told`'
)
"""Ordinary English, a method of Python's, and the name of a cell in savepoints."""


def files() -> list[Path]:
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md")]
    found = [path for path in found if path != Path(__file__)]
    return [
        *sorted(path for path in found if "__pycache__" not in path.parts),
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
    ]


def test_programs_do_not_tell() -> None:
    hits = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if OWN.search(ENGLISH.sub("", line))
    ]
    assert hits == []


@pytest.mark.parametrize(
    "line", ["def told(self)", "_told_ms = 1", "what a shard has heard", "The job tells late", "asides: int"]
)
def test_such_words_are_found(line: str) -> None:
    assert OWN.search(ENGLISH.sub("", line))
