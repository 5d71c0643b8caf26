"""Mutants of the pure cores: `make mutants`, by hand; CONTRIBUTING.md says what for.

    python -m tests.mutants                       # all of them: hours
    python -m tests.mutants 'transforms.cut*'     # those whose name fits
    python -m tests.mutants --report              # what is known so far, nothing run

A run goes on where the last one stopped (its folder is mutants/, ignored by git). A mutant that no test notices is printed with its change, unless
``explained.yml`` beside this module says why it changes nothing. The status is 1 if any is left.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import yaml

FOLDER = Path("mutants")
EXPLAINED = Path(__file__).with_name("explained.yml")
SURVIVED, NO_TESTS = 0, 33
"""What mutmut writes of a mutant: the exit status of the tests, or that none of them comes by it."""


class Explanation(NamedTuple):
    """Why mutants change nothing that anyone could see.

    Attributes:
        where: of which functions, a pattern of their mutants' names.
        change: found in the lines that it takes away and adds, a regular expression.
        why: in a sentence.
    """

    where: str
    change: str
    why: str


class Mutant(NamedTuple):
    """A mutant: its name, its file, and the status of the tests, None if they have not run."""

    name: str
    path: Path
    status: int | None

    def change(self) -> str:
        """The lines that it takes away and adds."""
        from mutmut.mutation.diff_apply import get_diff_for_mutant  # type: ignore[import-not-found]

        lines = get_diff_for_mutant(self.name, path=self.path).split("\n")[2:]
        return "\n".join(line for line in lines if line[:1] in ("-", "+"))


def explanations() -> list[Explanation]:
    """Those of the file."""
    return [Explanation(**each) for each in yaml.safe_load(EXPLAINED.read_text())]


def mutants(patterns: Sequence[str]) -> Iterator[Mutant]:
    """All that are known, or those whose names fit."""
    for file in sorted(FOLDER.rglob("*.meta")):
        path = file.relative_to(FOLDER).with_suffix("")
        for name, status in json.loads(file.read_text())["exit_code_by_key"].items():
            if not patterns or any(fnmatch(name, pattern) for pattern in patterns):
                yield Mutant(name, path, status)


def report(patterns: Sequence[str]) -> int:
    """Print what is left and the figure; the exit status."""
    known, counts = explanations(), Counter[str]()
    for mutant in mutants(patterns):
        fate = _fate(mutant, known)
        counts[fate] += 1
        if fate in ("left", "untested"):
            print(f"{mutant.name} ({fate})\n{mutant.change()}\n")
    ran = counts.total() - counts["not run"]
    print(", ".join(f"{counts[fate]:,} {fate}" for fate in ("killed", "explained", "left", "untested", "not run")))
    if ran:
        print(f"{(counts['killed'] + counts['explained']) / ran:.1%} of {ran:,} killed or explained")
    return int(bool(counts["left"] or counts["untested"]))


def _fate(mutant: Mutant, known: Sequence[Explanation]) -> str:
    if mutant.status is None:
        return "not run"
    if mutant.status not in (SURVIVED, NO_TESTS):
        return "killed"
    change = mutant.change()
    if any(fnmatch(mutant.name, each.where) and re.search(each.change, change) for each in known):
        return "explained"
    return "left" if mutant.status == SURVIVED else "untested"


def main(argv: Sequence[str] | None = None) -> int:
    """Run and report."""
    words = argparse.ArgumentParser(prog="python -m tests.mutants", description="Mutate the pure cores.")
    words.add_argument("patterns", nargs="*", help="names of mutants, such as 'transforms.cut*' (all)")
    words.add_argument("--jobs", default="1", help="mutants tested at a time (%(default)s)")
    words.add_argument("--report", action="store_true", help="say what is known so far, and run nothing")
    given = words.parse_args(argv)
    if not given.report:
        run = [sys.executable, "-m", "mutmut", "run", "--max-children", given.jobs, *given.patterns]
        status = subprocess.call(run, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        if status:
            return status
    return report(given.patterns)


if __name__ == "__main__":
    sys.exit(main())
