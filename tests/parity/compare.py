"""Compares the stage with a real Prometheus on generated rules and samples: ``python -m tests.parity.compare --seed 1 --count 50``.

Prints every difference, and the smallest rule file that the first of them needs. Exit status 1 when there is a difference.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rules.evaluation.program import Settings
from tests.oracle.prometheus import Series
from tests.parity.evaluator_side import of_evaluator
from tests.parity.generated import Generated, generated
from tests.parity.prometheus_side import of_prometheus
from tests.parity.rule_files import evaluated, program_of
from tests.parity.stage_side import of_stage, of_stage_in_disorder
from tests.parity.verdict import Verdict, differences

SETTINGS = Settings()


@dataclass(frozen=True)
class Compared:
    """A seed's rules and samples, what each side makes of them, and what they differ in.

    Attributes:
        differences: of the stage from Prometheus.
        disordered: of the history of alerts after samples in disorder, corrections applied, from Prometheus.
        corrections: how many there were.
    """

    generated: Generated
    prometheus: Verdict
    stage: Verdict
    differences: list[str]
    disordered: list[str]
    corrections: int


def compare(seed: int, directory: Path) -> Compared:
    """Evaluate a seed's rules on all sides; the server's data go to a directory."""
    case = generated(seed)
    program = program_of(case.files, SETTINGS)
    theirs = of_prometheus(directory, program, case.series, *evaluated(program, case.series))
    ours = of_stage(case.files, case.series, SETTINGS)
    late = of_stage_in_disorder(case.files, case.series, SETTINGS, seed)
    disordered = differences(Verdict(late.turns), Verdict(theirs.turns))
    return Compared(case, theirs, ours, differences(ours, theirs), disordered, late.corrections)


def evaluator_differences(files: Mapping[str, str], series: Sequence[Series], theirs: Verdict) -> list[str]:
    """What our evaluator, without the stream, differs in from Prometheus: if in nothing, the fault is the stage's."""
    program = program_of(files, SETTINGS)
    return differences(of_evaluator(program, series, *evaluated(program, series)), theirs)


def smallest(files: Mapping[str, str], words: str) -> str:
    """The rules that a difference is about, and those whose records or alerts they read, as a rule file."""
    rules = [
        (group, rule) for text in files.values() for group in yaml.safe_load(text)["groups"] for rule in group["rules"]
    ]
    wanted = {name for _, rule in rules if _mentions(words, name := _name(rule))}
    while True:
        exprs = [rule["expr"] for _, rule in rules if _name(rule) in wanted]
        more = {name for _, rule in rules if any(_mentions(expr, name := _name(rule)) for expr in exprs)}
        if more <= wanted:
            break
        wanted |= more
    groups: dict[str, dict[str, Any]] = {}
    for group, rule in rules:
        if _name(rule) in wanted:
            groups.setdefault(group["name"], {**group, "rules": []})["rules"].append(rule)
    return yaml.safe_dump({"groups": list(groups.values())}, sort_keys=False)


def _name(rule: Mapping[str, Any]) -> str:
    return str(rule.get("record") or rule["alert"])


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w:]){re.escape(name)}(?![\w:])", text) is not None


def main(argv: Sequence[str] | None = None) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.parity.compare", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first (default: %(default)s)")
    parser.add_argument("--count", type=int, default=1, help="how many (default: %(default)s)")
    args = parser.parse_args(argv)
    unlike = 0
    for seed in range(args.seed, args.seed + args.count):
        with tempfile.TemporaryDirectory(prefix="parity-") as directory:
            found = compare(seed, Path(directory))
        counts = ", ".join(
            f"{found.stage.count(state)} {state}" for state in ("pending", "firing", "resolved", "inactive")
        )
        faults = found.differences + [f"in disorder: {words}" for words in found.disordered]
        print(
            f"seed {seed}: {counts}; {len(found.stage.written)} series written; {found.corrections} corrections in disorder; "
            f"{len(faults)} differences",
            flush=True,
        )
        if faults:
            unlike += 1
            files, series = found.generated.files, found.generated.series
            alone = evaluator_differences(files, series, found.prometheus)
            print(*(f"  {words}" for words in faults), sep="\n")
            print(f"  the evaluator without the stream {'differs too' if alone else 'agrees with Prometheus'}")
            print(smallest(files, faults[0]))
    return 1 if unlike else 0


if __name__ == "__main__":
    sys.exit(main())
