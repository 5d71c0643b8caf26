"""The rule files under test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rules.evaluation.program import Program, Settings
from rules.files.load import load_rules
from rules.planning.reach import reaches, together
from tests.oracle.prometheus import Series
from tests.parity.fleet import fleet
from transforms.alerts.live.rule_set import RuleSet

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "rules" / "library"
AWESOME = ROOT.parent / "shared" / "corpora" / "awesome-prometheus-alerts" / "dist" / "rules"
FOLDERS = ("host-and-hardware", "docker-containers", "kafka", "mysql", "postgresql")

SETTINGS = Settings(interval_ms=15_000)
"""Groups are evaluated as often as targets are scraped."""


def library() -> dict[str, str]:
    """The shipped rules: texts by name."""
    return {path.name: path.read_text() for path in sorted(LIBRARY.glob("*.yml"))}


def awesome() -> dict[str, str]:
    """Rules for hosts, containers, Kafka and databases from a public collection; empty if it is not there."""
    paths = [path for folder in FOLDERS for path in sorted((AWESOME / folder).glob("*.yml"))]
    return {f"{path.parent.name}-{path.name}": path.read_text() for path in paths}


def program_of(files: Mapping[str, str], settings: Settings = SETTINGS) -> Program:
    """The rules of files that are in order, as the stage evaluates them: file by file in the order of their names."""
    for name, text in files.items():
        assert load_rules(text, name).file is not None, name
    return RuleSet.load(files).program(settings)


def seen_fleet(program: Program, seed: int, share: float = 1.0) -> list[Series]:
    """The fleet, as far as the rules see it."""
    return fleet(seed, share, together(reaches(program)).sees)


def extent(series: Sequence[Series]) -> tuple[int, int]:
    """The times of the oldest and the newest sample, ms."""
    return min(int(times[0]) for _, times, _ in series), max(int(times[-1]) for _, times, _ in series)


def evaluated(program: Program, series: Sequence[Series]) -> tuple[int, int]:
    """From when to when a bounded stage evaluates: from the first instant on that has samples, as far back as any group looks."""
    first, last = extent(series)
    intervals = {program.interval_ms(number) for number in range(len(program.groups))}
    behind = max(rule.turn.query_offset_ms for rule in program.rules)
    return min(-(-first // step) * step for step in intervals) + behind, last
