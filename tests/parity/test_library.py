"""Over a simulated fleet with failures the stage decides what a real Prometheus decides, instant by instant: shipped rules and public ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from rules.evaluation.program import Program
from tests.oracle.prometheus import Series
from tests.parity.fleet import SCRAPE_MS, SPAN_MS
from tests.parity.prometheus_side import of_prometheus
from tests.parity.rule_files import AWESOME, SETTINGS, awesome, evaluated, extent, library, program_of, seen_fleet
from tests.parity.stage_side import of_stage, of_stage_in_disorder
from tests.parity.verdict import Verdict, differences

SEED = 6
MINUTE = 60_000

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(540)]


@dataclass(frozen=True)
class Compared:
    """Rules, samples, and what a server makes of them."""

    files: Mapping[str, str]
    program: Program
    series: list[Series]
    verdict: Verdict


def compared(files: Mapping[str, str], directory: Path, share: float = 1.0) -> Compared:
    program = program_of(files)
    series = seen_fleet(program, SEED, share)
    verdict = of_prometheus(directory, program, series, *evaluated(program, series))
    return Compared(files, program, series, verdict)


def test_the_fleet_is_what_was_asked_for() -> None:
    series = seen_fleet(program_of({**library(), **awesome()}), SEED)
    targets = {(labels["job"], labels.get("instance"), labels.get("host")) for labels, *_ in series}
    start, end = extent(series)
    assert len(targets) == 200
    assert SPAN_MS - SCRAPE_MS < end - start < SPAN_MS


def test_the_shipped_rules(tmp_path: Path) -> None:
    found = compared(library(), tmp_path)
    assert len(found.verdict.fired()) >= 20
    assert min(map(found.verdict.count, ("pending", "firing", "resolved", "inactive"))) >= 30
    assert differences(of_stage(found.files, found.series, SETTINGS, 5 * MINUTE), found.verdict) == []


@pytest.mark.skipif(not AWESOME.is_dir(), reason=f"the corpus {AWESOME} is absent")
def test_public_rules(tmp_path: Path) -> None:
    found = compared(awesome(), tmp_path)
    assert len(found.verdict.fired()) >= 60
    assert min(map(found.verdict.count, ("pending", "firing", "resolved", "inactive"))) >= 400
    assert differences(of_stage(found.files, found.series, SETTINGS, 5 * MINUTE), found.verdict) == []


def test_scrape_by_scrape(tmp_path: Path) -> None:
    """In bundles as they are in time, an instant each, of a tenth of the fleet."""
    found = compared(library(), tmp_path, share=0.1)
    assert len(found.verdict.fired()) >= 5
    assert differences(of_stage(found.files, found.series, SETTINGS, SCRAPE_MS), found.verdict) == []


def test_scrapes_in_disorder(tmp_path: Path) -> None:
    """After corrections the history of alerts is what a server makes of the same samples."""
    found = compared(library(), tmp_path, share=0.1)
    late = of_stage_in_disorder(found.files, found.series, SETTINGS, SEED)
    assert late.corrections >= 10
    assert differences(Verdict(late.turns), Verdict(found.verdict.turns)) == []
