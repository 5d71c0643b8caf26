"""Rules in the metrics job, on samples that are late and out of order, while a label explodes: the history is that of a run in order."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.stack import Stack
from rules.events.corrections import History
from schemas.alert_event import AlertEvent, encode
from tests.e2e import alert_scenario as scenario
from tests.e2e.alert_job import AlertGround, Scrape
from tests.e2e.flink_job import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

# A host has two series that rules select; those that explode would be thousands.
SHARDS, ROOM, NEW = 4, 40, 10
EXPLODING, UNBOUNDED = "Exploding", "Unbounded"
RULES = f"""{scenario.RULES}
- name: exploding
  interval: 15s
  rules:
  - {{alert: {EXPLODING}, expr: count(exploding) > 20}}
  - {{alert: {UNBOUNDED}, expr: count(exploding) > {SHARDS * ROOM}}}
"""


def history(events: Iterable[AlertEvent]) -> list[bytes]:
    """What has happened, but for what exploded; corrections and first words alike."""
    happened = History(event for event in events if event.rule not in (EXPLODING, UNBOUNDED)).events()
    return sorted(encode(replace(event, id="", correction=False, replaces=None, trace=())) for event in happened)


def disordered(scrapes: Iterable[Scrape]) -> list[Scrape]:
    """As they arrive: some a little late, some by minutes, some twice."""
    seed = random.Random(5)
    arrivals = []
    for scrape in scrapes:
        delay_ms = seed.choice((0, 0, 0, 0, 0, 4_000, 20_000, 120_000))
        arrivals += [(scrape.time_ms + delay_ms, scrape)] * seed.choice((1, 1, 1, 1, 2))
    return [scrape for _, scrape in sorted(arrivals, key=lambda pair: pair[0])]


def exploding(scrapes: Iterable[Scrape]) -> list[Scrape]:
    """With series that are new each time."""
    found = []
    for number, scrape in enumerate(scrapes):
        new = {f'exploding{{id="{number}-{each}"}}': 1.0 for each in range(NEW)}
        found.append(scrape._replace(values={**scrape.values, **new}))
    return found


def test_disorder_and_a_label_explosion_leave_the_history_of_a_run_in_order(stack: Stack, tmp_path: Path) -> None:
    begin = scenario.begin_ms()
    ground = AlertGround(
        stack,
        tmp_path,
        rules=RULES,
        module="pipelines.metrics",
        tiers={"lateness": "10m"},
        shards=SHARDS,
        stage={"grace": "3s", "max_series": ROOM},
    )
    with ground:
        ground.feed(scenario.scrapes(begin, 0, 10))
        job = ground.begin()
        ground.wait_reported(ground.due())
        rest = [
            scrape
            for scrape in scenario.scrapes(begin, 10)
            if scrape.time_ms < begin + scenario.TICKS * scenario.TICK_MS
        ]
        ground.feed(exploding(disordered(rest)))
        end = begin + (scenario.TICKS + 1) * scenario.TICK_MS
        ground.feed(scenario.closing(end))
        wanted = history(ground.due())

        def odd() -> str:
            said = set(history(ground.reported()))
            return f"{sorted(said - {*wanted})} {sorted({*wanted} - said)}"

        try:
            wait_for(lambda: history(ground.reported()) == wanted, 90, "the history of a run in order")
        except AssertionError as error:
            raise AssertionError(f"{error}: {odd()}") from None
        job.stop()
        reported = ground.reported()
        assert history(reported) == wanted
        assert job.restored() == 0
        assert any(event.correction for event in reported if event.rule != EXPLODING), "nothing was late"
        assert [event.state.value for event in reported if event.rule == EXPLODING][:1] == ["firing"]
        assert not any(event.rule == UNBOUNDED for event in reported)
        assert len({event.id for event in reported}) == len(reported)
