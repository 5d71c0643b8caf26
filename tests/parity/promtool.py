"""Asks Prometheus' own rule engine, through ``promtool test rules``, whether it writes what a verdict says, instant by instant."""

from __future__ import annotations

import json
import math
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deploy.install.recipes import prometheus3_binary
from rules.evaluation.program import Program
from rules.promql.values import is_stale
from tests.oracle.prometheus import Series
from tests.oracle.rule_lives import Labels, Samples

GRID_MS = 5_000
"""Unit tests have samples at multiples of a step."""


def gridded(series: Iterable[Series]) -> list[Series]:
    """The series with each sample moved back to the grid; of two that meet there, the later stays."""
    found = []
    for labels, times, values in series:
        moved = times // GRID_MS * GRID_MS
        last = np.append(np.diff(moved) != 0, True)
        found.append((labels, moved[last], values[last]))
    return found


def promtool_says(
    directory: Path,
    files: Mapping[str, str],
    program: Program,
    series: Sequence[Series],
    written: Samples,
    start_ms: int,
    end_ms: int,
) -> str:
    """What promtool finds fault with; empty if its rules write just this, at every instant from one to another.

    It evaluates all groups at the shortest of their intervals: they should have but one.

    Args:
        directory: for its files.
        files: the rules, by name.
        program: the same.
        series: on the grid.
        written: what they are to write: ``ALERTS`` and ``ALERTS_FOR_STATE``, and recorded series.
    """
    interval = min(program.interval_ms(number) for number in range(len(program.groups)))
    for name, text in files.items():
        (directory / name).write_text(text)
    found = at_instants(written)
    names = sorted({name for rule in program.rules for name in rule.names})
    cases = [
        {
            "expr": f'{{__name__=~"{"|".join(names)}"}}',
            "eval_time": f"{(when - start_ms) // 1000}s",
            "exp_samples": [
                {"labels": notation(labels), "value": value} for labels, value in sorted(found[when].items())
            ],
        }
        for when in range(start_ms, end_ms + 1, interval)
    ]
    test = {
        "rule_files": sorted(files),
        "evaluation_interval": f"{interval // 1000}s",
        "group_eval_order": [group.name for group in program.groups],
        "fuzzy_compare": True,
        "tests": [
            {
                "interval": f"{GRID_MS // 1000}s",
                "start_timestamp": start_ms // 1000,
                "input_series": [input_series(each, start_ms) for each in series],
                "promql_expr_test": cases,
            }
        ],
    }
    text = re.sub(r'(?<="value": )(-?)(NaN|Inf)\w*', lambda each: f"{each[1]}.{each[2].lower()}", json.dumps(test))
    (directory / "test.yml").write_text(text)
    words = [prometheus3_binary("promtool"), "test", "rules", directory / "test.yml"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=500)
    return "" if done.returncode == 0 else (done.stdout + done.stderr) or "promtool fails"


def at_instants(written: Samples) -> dict[int, dict[Labels, float]]:
    """By instant, what is there."""
    found: dict[int, dict[Labels, float]] = defaultdict(dict)
    for labels, points in written.items():
        for when, value in points.items():
            if not is_stale(np.array([value]))[0]:
                found[when][labels] = value
    return found


def input_series(series: Series, start_ms: int) -> dict[str, Any]:
    """A series in the notation of unit tests."""
    labels, times, values = series
    words = []
    last = -1
    for place, value in zip(((times - start_ms) // GRID_MS).tolist(), values.tolist(), strict=True):
        gap = place - last - 1
        words += [f"_x{gap}"] if gap > 1 else ["_"] * gap
        words.append("stale" if is_stale(np.array([value]))[0] else number(value))
        last = place
    name = labels["__name__"]
    rest = tuple((label, text) for label, text in labels.items() if label != "__name__")
    return {"series": name + notation(rest), "values": " ".join(words)}


def number(value: float) -> str:
    """A number as promtool reads it."""
    return "NaN" if math.isnan(value) else f"{value!r}".replace("inf", "Inf")


def notation(labels: Labels) -> str:
    """Labels in the notation of unit tests."""
    return "{" + ", ".join(f'"{name}"={json.dumps(text)}' for name, text in labels) + "}"
