"""What the second stage hands on: each event once, under the evaluation time that it belongs to, and all of it counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from schemas import batch as batches
from schemas.alert_event import AlertEvent, State, encode
from transforms.alerts.groups.event_writer import EventWriter
from transforms.alerts.settings import EVENTS, SAMPLES

FIRING = AlertEvent(
    id="1" * 32,
    alert="a" * 32,
    file="r.yml",
    group="g",
    rule="High",
    labels={"alertname": "High"},
    annotations={},
    value=3.0,
    state=State.FIRING,
    reason="condition_met",
    active_since=60_000,
    starts_at=60_000,
    ends_at=None,
    evaluated_at=60_000,
)
RESOLVED = replace(
    FIRING, id="2" * 32, state=State.RESOLVED, reason="condition_lost", ends_at=120_000, evaluated_at=120_000
)
CORRECTED = replace(RESOLVED, id="3" * 32, value=4.0, correction=True, replaces="2" * 32)


def test_an_event_belongs_to_its_evaluation_or_to_the_evaluation_time_from_which_it_is_known() -> None:
    event_writer = EventWriter(frozenset())
    outs = [*event_writer.events([FIRING, RESOLVED]), *event_writer.events([CORRECTED], 180_000)]
    assert outs == [
        (60_000, EVENTS, encode(FIRING)),
        (120_000, EVENTS, encode(RESOLVED)),
        (180_000, EVENTS, encode(CORRECTED)),
    ]
    assert event_writer.history.events() == [FIRING, CORRECTED]


def test_what_was_reported_is_neither_reported_nor_counted_again() -> None:
    event_writer = EventWriter(frozenset())
    assert len([*event_writer.events([FIRING, FIRING, RESOLVED])]) == 2
    assert len([*event_writer.events([FIRING, RESOLVED, CORRECTED], 0)]) == 1
    assert event_writer.counted == {"alerts.firing": 1, "alerts.resolved": 1, "alerts.corrections": 1}


def test_samples_belong_to_the_evaluation_time_and_know_whether_they_correct() -> None:
    """The place in the log is what stores go by: a correction's is the evaluation time from which it is known, else each sample's own time."""
    event_writer = EventWriter(frozenset({"job"}))
    column = (("__name__", "y"), ("job", "j"), ("pool", "a")), np.array([60_000, 120_000]), np.array([1.0, 2.0])
    found = [*event_writer.samples(180_000, [column], corrected=False), *event_writer.samples(240_000, [column])]
    assert [(out.time_ms, out.tag) for out in found] == [(180_000, SAMPLES), (240_000, SAMPLES)]
    first, second = (batches.decode(out.data) for out in found)
    assert (first.ts.tolist(), first.value.tolist(), first.seq.tolist()) == (
        [60_000, 120_000],
        [1.0, 2.0],
        [60_000, 120_000],
    )
    assert second.seq.tolist() == [240_000, 240_000]
    # The target's labels make up the target part, the others the metric part.
    assert ("j" in first.targets[0], "pool" in first.metrics[0]) == (True, True)
    assert event_writer.counted == {"rules.samples_written": 4}


def test_nothing_written_is_no_element() -> None:
    assert [*EventWriter(frozenset()).samples(0, [])] == []
