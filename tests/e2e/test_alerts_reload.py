"""Rule files are changed, broken and mended while samples flow: alerts go by them at once, and the job runs on.

Changes count from the time when they are seen, so event times are those of the clock here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.stack import Stack
from schemas.alert_event import AlertEvent
from tests.e2e.alert_feeder import Feeder
from tests.e2e.alert_job import RULE_FILE, AlertGround
from tests.e2e.flink_job import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

GROUP = "groups:\n- name: live\n  interval: 1s\n  rules:\n"
KEPT = "  - {alert: Kept, expr: 'load > 5', for: 2s}\n"
REMOVED = "  - {alert: Removed, expr: 'load > 5'}\n"
PATIENT = "  - {alert: Patient, expr: 'load > 5', for: 1h}\n"
IMPATIENT = "  - {alert: Patient, expr: 'load > 5', for: 1s}\n"
ADDED = "  - {alert: Added, expr: 'sum(load > 5) > 0'}\n"


def course(ground: AlertGround, rule: str, host: str | None = None) -> list[tuple[str, str]]:
    """States and reasons of an alert so far."""
    return [(event.state.value, event.reason) for event in found(ground, rule, host)]


def found(ground: AlertGround, rule: str, host: str | None = None) -> list[AlertEvent]:
    return [event for event in ground.reported() if event.rule == rule and event.labels.get("host") == host]


def test_rules_change_while_samples_flow(stack: Stack, tmp_path: Path) -> None:
    # The interval of the group of which the broken file's alert is.
    stage = {"evaluation_interval": "1s"}
    ground = AlertGround(stack, tmp_path, rules=GROUP + KEPT + REMOVED + PATIENT, stage=stage)
    with ground, Feeder(ground) as feeder:
        job = ground.begin("--rules_poll=1s", checkpoint_ms=2_000)

        def wait(what: str, condition: Callable[[], bool]) -> None:
            wait_for(
                condition, 60, f"{what}: {job.state}; {sorted({(e.rule, e.state.value) for e in ground.reported()})}"
            )

        firing = [("pending", "condition_met"), ("firing", "held")]
        wait("alerts of the first rules", lambda: course(ground, "Kept", "h0") == firing)
        wait("a pending alert", lambda: course(ground, "Patient", "h0") == firing[:1])

        ground.write_rules(GROUP + KEPT + IMPATIENT + ADDED)
        wait("an alert of the new rule", lambda: course(ground, "Added") == [("firing", "condition_met")])
        wait("what was pending to fire", lambda: course(ground, "Patient", "h0") == firing)
        ended = [("firing", "condition_met"), ("resolved", "rule_removed")]
        wait("the end of the removed rule", lambda: course(ground, "Removed", "h0") == ended)
        [pending, fired] = found(ground, "Patient", "h0")
        assert fired.active_since == pending.active_since

        ground.write_rules(GROUP + KEPT + "  - {alert: Broken, expr: 'sum('}\n")
        wait("word of the broken file", lambda: course(ground, "TidemarkRulesBroken") != [])
        [broken] = found(ground, "TidemarkRulesBroken")
        assert (broken.state.value, broken.labels["file"]) == ("firing", RULE_FILE)
        feeder.overloaded = {0, 1}
        # The last good rules are in force, all of them.
        for rule in ("Kept", "Patient"):
            wait(f"an alert of {rule}", lambda rule=rule: course(ground, rule, "h1") == firing)

        ground.write_rules(GROUP + KEPT + IMPATIENT + ADDED)
        wait("the broken file's alert to end", lambda: len(course(ground, "TidemarkRulesBroken")) == 2)
        assert course(ground, "TidemarkRulesBroken")[-1] == ("resolved", "rule_removed")
        feeder.overloaded = {0}
        wait("an alert's end", lambda: course(ground, "Kept", "h1") == [*firing, ("resolved", "condition_lost")])

        assert (job.state, job.restored()) == ("RUNNING", 0)
        reported = ground.reported()
        assert len({event.id for event in reported}) == len(reported)
        assert not any(event.correction for event in reported)
        for rule, wanted in (("Kept", firing), ("Patient", firing), ("Removed", ended)):
            assert course(ground, rule, "h0") == wanted
        assert course(ground, "Added") == [("firing", "condition_met")]
