"""What the tests of archived data share: the options as a command gives them, and series in a form that compares."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rules.planning.reach import Reach, Selector
from rules.promql.storage import MemoryStorage
from rules.promql.syntax import ast
from rules.promql.syntax.parser import parse
from transforms.io.history.options import add_history_options
from transforms.io.history.read import History, read_reach
from transforms.io.history.samples import Collected, Samples, Wanted

Series = dict[str, list[tuple[int, float]]]
MINUTE = 60_000


def selectors(*texts: str) -> tuple[Selector, ...]:
    found = [parse(text) for text in texts]
    return tuple(each.matchers for each in found if isinstance(each, ast.VectorSelector))


def options(*words: str | Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_history_options(parser)
    return parser.parse_args(list(map(str, words)))


def read(words: Sequence[str | Path], *texts: str, back_ms: int = 0, recorded: Sequence[str] = ()) -> History:
    """Read what some selectors ask for."""
    return read_reach(options(*words), Reach(selectors(*texts or ('{__name__=~".+"}',)), back_ms), recorded)


def series_of(storage: MemoryStorage) -> Series:
    """Series by their labels as text; values in bits where they are not a number."""
    found: Series = {}
    for row, labels in enumerate(storage.labels.rows()):
        low, high = storage.offsets[row : row + 2]
        text = ",".join(f"{name}={value}" for name, value in labels.items())
        pairs = zip(storage.timestamps[low:high].tolist(), storage.values[low:high].tolist(), strict=True)
        found[text] = list(pairs)
    return found


def bits(storage: MemoryStorage) -> dict[str, list[tuple[int, int]]]:
    """The same with the bits of every value."""
    whole = MemoryStorage(
        storage.labels, storage.timestamps, storage.values.view(np.uint64).astype(object), storage.offsets
    )
    return series_of(whole)  # type: ignore[return-value]


def collected_by(source: Samples, wanted: Wanted) -> Series:
    into = Collected()
    into.take(source, wanted)
    return series_of(into.storage())
