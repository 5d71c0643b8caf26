"""Compares the engine with a real Prometheus on seeded random cases: ``python -m tests.oracle.compare --cases 10000 --seed 1``.

Prints every difference with its smallest part that differs too, and, with ``--data``, the samples of the metrics it names.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

from rules.promql.storage import MemoryStorage
from rules.promql.syntax import ast
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.parser import parse
from tests.oracle.agree import ask_engine, ask_prometheus, difference
from tests.oracle.data import BASE_MS, Dataset, dataset
from tests.oracle.expressions import Case, cases
from tests.oracle.prometheus import Answer, Client, prometheus

CASES_PER_DATASET = 20
DEFAULT_CASES = 10_000
DEFAULT_SEED = 20_250_301


@dataclass(frozen=True)
class Difference:
    """A case on which the two disagree; ``smallest`` is the smallest part of its expression that differs on its own."""

    case: Case
    words: str
    smallest: str
    smallest_words: str


@dataclass
class Report:
    """Counts by outcome (``rows``, ``empty``, ``error``), and the differences."""

    outcomes: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    @property
    def cases(self) -> int:
        return sum(self.outcomes.values())


def compare(directory: Path, count: int, seed: int, workers: int = 2) -> Report:
    """Run `count` cases in worker processes against one server whose data go to `directory`."""
    numbers = range(-(-count // CASES_PER_DATASET))
    report = Report()
    with prometheus(directory) as client:
        for number in numbers:
            client.load(dataset(seed, number).series)
        # Forking would copy the server's connection.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for part in pool.map(compare_dataset, repeat(client.address), repeat(seed), numbers, chunksize=8):
                report.outcomes += part.outcomes
                report.differences += part.differences
    return report


def compare_dataset(address: str, seed: int, number: int) -> Report:
    """The cases of one data set, which the server already holds."""
    data = dataset(seed, number)
    storage = MemoryStorage.from_series(data.series)
    client, report = Client(address), Report()
    for case in cases(seed, data, CASES_PER_DATASET):
        words, theirs = _differ(client, storage, case)
        report.outcomes["error" if theirs.error else "rows" if theirs.rows else "empty"] += 1
        if words:
            report.differences.append(Difference(case, words, *_smallest(client, storage, case, words)))
    client.close()
    return report


def _differ(client: Client, storage: MemoryStorage, case: Case) -> tuple[str, Answer]:
    theirs = ask_prometheus(client, case)
    try:
        return difference(case, ask_engine(storage, case), theirs), theirs
    except Exception as error:  # noqa: BLE001 - a fault of the engine is a difference like any other
        return f"ours fails with {type(error).__name__}: {error}; theirs: {theirs.error or 'no error'}", theirs


def _smallest(client: Client, storage: MemoryStorage, case: Case, words: str) -> tuple[str, str]:
    try:
        parts = ast.children(parse(case.expr))
    except PromQLError:
        return case.expr, words
    for part in parts:
        if part.type in (ast.ValueType.SCALAR, ast.ValueType.VECTOR) or (
            part.type is ast.ValueType.MATRIX and not case.step_ms
        ):
            smaller = replace(case, expr=case.expr[part.span.start : part.span.end])
            found, _ = _differ(client, storage, smaller)
            if found:
                return _smallest(client, storage, smaller, found)
    return case.expr, words


def samples_text(data: Dataset, expr: str) -> Iterator[str]:
    """The samples of the metrics that an expression names, one line a series, times in seconds since the data set's beginning."""
    for labels, times, values in data.series:
        if labels["__name__"] in expr:
            rest = ",".join(f'{name}="{value}"' for name, value in labels.items() if name != "__name__")
            points = " ".join(
                f"{(when - BASE_MS) / 1000:g}:{value:g}"
                for when, value in zip(times.tolist(), values.tolist(), strict=True)
            )
            yield f"{labels['__name__']}{{{rest}}} {points}"


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 1 when there is a difference."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle.compare", description=__doc__)
    parser.add_argument("--cases", type=int, default=DEFAULT_CASES, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="(default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--data", action="store_true", help="print the samples of each difference too")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="oracle-") as directory:
        report = compare(Path(directory), args.cases, args.seed, args.workers)
    for found in report.differences:
        case = found.case
        when = (
            f"at {case.start_ms}" if not case.step_ms else f"from {case.start_ms} to {case.end_ms} every {case.step_ms}"
        )
        print(f"\n{case.expr}\n  {when} ms, data set {case.dataset}\n  {found.words}")
        if found.smallest != case.expr:
            print(f"  smallest part: {found.smallest}\n  {found.smallest_words}")
        if args.data:
            print(*(f"    {line}" for line in samples_text(dataset(args.seed, case.dataset), found.smallest)), sep="\n")
    outcomes = ", ".join(f"{count} {name}" for name, count in report.outcomes.most_common())
    print(f"\n{report.cases} cases ({outcomes}), {len(report.differences)} differences")
    return 1 if report.differences else 0


if __name__ == "__main__":
    sys.exit(main())
