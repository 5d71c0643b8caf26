"""The stage decides what a Prometheus decided that was at work: the same rule file and the same samples, in real time."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules.evaluation.program import Settings
from tests.parity.live import RULES, Course, Disturbed, run, scrapes, without_markers
from tests.parity.stage_side import of_stage
from tests.parity.verdict import Verdict, differences

SECONDS = 75
ATTEMPTS = 3

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]


def undisturbed(directory: Path) -> Course:
    """The first run in which the server kept up with the clock."""
    disturbances = []
    for attempt in range(ATTEMPTS):
        try:
            return run(directory / str(attempt), scrapes(attempt, SECONDS))
        except Disturbed as error:
            disturbances.append(str(error))
    pytest.fail(f"no comparison was possible: {disturbances}")


def test_a_server_at_work(tmp_path: Path) -> None:
    course = undisturbed(tmp_path)
    ours = of_stage({"live.yml": RULES}, course.samples, Settings(), every_ms=5_000)
    written = without_markers(ours.written)
    alerts = {
        dict(labels)["alertname"]: dict(labels)["alertstate"]
        for labels in course.written
        if ("__name__", "ALERTS") in labels
    }
    assert set(alerts) == {"High", "Short", "Kept", "Gone", "Group", "Busy", "Down", "Many"}
    assert sum(("alertstate", "firing") in labels for labels in course.written) >= 20
    assert differences(Verdict(written=written), Verdict(written=course.written)) == []
