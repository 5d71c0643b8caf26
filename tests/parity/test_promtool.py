"""Prometheus' own rule engine writes what the stage writes, instant by instant: shipped and public rules over a part of the fleet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.parity.promtool import gridded, promtool_says
from tests.parity.rule_files import AWESOME, SETTINGS, awesome, evaluated, library, program_of, seen_fleet
from tests.parity.stage_side import of_stage

SEED = 6
SHARE = 0.15

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(540)]


@pytest.mark.parametrize("chosen", ["library", "public"])
def test_every_instant_is_as_promtool_has_it(chosen: str, tmp_path: Path) -> None:
    files = library() if chosen == "library" else awesome()
    if not files:
        pytest.skip(f"the corpus {AWESOME} is absent")
    # Promtool goes by one interval for all groups.
    files = {name: text for name, text in files.items() if name != "hosts-cloudwatch.yml"}
    program = program_of(files)
    series = gridded(seen_fleet(program, SEED, SHARE))
    found = of_stage(files, series, SETTINGS, 300_000)
    assert len(found.fired()) >= 10
    start, end = evaluated(program, series)
    faults = promtool_says(tmp_path, files, program, series, found.written, start, end)
    assert faults[:3000] == ""
