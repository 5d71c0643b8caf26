"""Too much at once: ten thousand targets that go silent, and labels that explode. Alerts stay right, state stays bounded."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest

from rules.promql.values import STALE
from schemas.alert_event import decode
from tests.transforms.alerts.streams import Sent, batch_of
from transforms.alerts.local import LocalPipeline
from transforms.alerts.settings import EVENTS, EvaluationSettings
from transforms.machines.machine import Out

TICK = 15_000
MINUTE = 60_000
TARGETS = 10_000
HOT = 1_000
Course = list[tuple[str, int]]


def host(name: str, number: int, when: int, value: float, **labels: str) -> Sent:
    row = {"__name__": name, "host": f"h{number}", **labels}
    return Sent(tuple(sorted(row.items())), when, value, when)


def courses(outs: list[Out]) -> dict[str, dict[str, Course]]:
    """By rule and host the states of each alert and their evaluation times."""
    found: dict[str, dict[str, Course]] = defaultdict(lambda: defaultdict(list))
    for event in (decode(out.data) for out in outs if out.tag == EVENTS):
        found[event.rule][event.labels.get("host", "")].append((event.state.value, event.evaluated_at))
    return found


def counters(stage: LocalPipeline) -> Counter[str]:
    return Counter(stage.shards.machine.counted) + Counter(stage.groups.machine.counted)


def stored(stage: LocalPipeline) -> int:
    return stage.shards.stored_bytes + stage.groups.stored_bytes


SILENCE = """
groups:
- name: targets
  interval: 1m
  rules:
  - {alert: Hot, expr: 'load > 5', for: 1m}
  - {alert: Silent, expr: 'max_over_time(load[7m]) unless load', for: 1m}
  - {alert: FewLeft, expr: 'absent(load) or count(load) < 5'}
"""


@pytest.mark.parametrize("marked", [False, True], ids=["samples-end", "marked-as-stale"])
def test_ten_thousand_targets_go_silent_at_once(marked: bool) -> None:
    stage = LocalPipeline(EvaluationSettings({"r.yml": SILENCE}, late_ms=MINUTE))
    outs: list[Out] = []
    last = 4 * MINUTE
    for when in range(MINUTE, last + 1, MINUTE):
        stale = marked and when == last
        values = [float(STALE) if stale else 9.0 if number < HOT else 1.0 for number in range(TARGETS)]
        stage.add(batch_of([host("load", number, when, value) for number, value in enumerate(values)]))
        outs += stage.advance(when)
    full = stored(stage)
    for when in range(last + MINUTE, last + 30 * MINUTE, MINUTE):
        outs += stage.advance(when)
    # A marker ends a series at once, and is no sample; else the last one counts for five minutes.
    gone = last if marked else last + 5 * MINUTE
    forgotten = (last - MINUTE if marked else last) + 7 * MINUTE
    hosts = [f"h{number}" for number in range(TARGETS)]
    found = courses(outs)
    hot = [("pending", MINUTE), ("firing", 2 * MINUTE), ("resolved", gone)]
    assert found["Hot"] == dict.fromkeys(hosts[:HOT], hot)
    silent = [("pending", gone), ("firing", gone + MINUTE), ("resolved", forgotten)]
    assert found["Silent"] == dict.fromkeys(hosts, silent)
    assert found["FewLeft"] == {"": [("firing", gone)]}
    counted = counters(stage)
    assert (counted["alerts.firing"], counted["alerts.resolved"]) == (HOT + TARGETS + 1, HOT + TARGETS)
    assert (counted["rules.failures"], counted["rules.series_refused"]) == (0, 0)
    assert stored(stage) < full / 20


EXPLOSION = """
groups:
- name: known
  interval: 15s
  rules:
  - {alert: Hot, expr: 'load > 5', for: 30s}
- name: exploding
  interval: 15s
  limit: 5
  rules:
  - {alert: Request, expr: 'requests > 0'}
"""
ROOM = 200
HOSTS = 240
NEW = 500


def exploding(tick: int) -> Iterator[Sent]:
    """Known hosts of which every third is hot from the tenth tick on; and series that are all new."""
    when = tick * TICK
    for number in range(HOSTS):
        yield host("load", number, when, 9.0 if tick >= 10 and not number % 3 else 1.0)
    for number in range(NEW):
        yield host("requests", number % HOSTS, when, 1.0, id=f"{tick}-{number}")


def test_a_label_explosion_neither_grows_the_state_nor_touches_other_alerts() -> None:
    stage = LocalPipeline(EvaluationSettings({"r.yml": EXPLOSION}, shards=2, late_ms=MINUTE, max_series=ROOM))
    outs: list[Out] = []
    sizes: list[int] = []
    counted: Counter[str] = Counter()
    ticks = 120
    for tick in range(1, ticks + 1):
        sent = list(exploding(tick))
        stage.add(batch_of(sent if tick > 1 else sent[:HOSTS]))
        outs += stage.advance(tick * TICK)
        sizes.append(stored(stage))
        if tick % 20 == 0:
            counted += counters(stage)
            stage.restart()
    found = courses(outs)
    assert found["Hot"] == {f"h{n}": [("pending", 10 * TICK), ("firing", 12 * TICK)] for n in range(0, HOSTS, 3)}
    assert "Request" not in found, "the group has more alerts than its limit"
    assert counted["rules.series_refused"] > 0.8 * NEW * (ticks - 1)
    assert counted["rules.failures"] > ticks / 2
    assert max(sizes[60:]) < 1.2 * max(sizes[:60])


def test_there_is_room_again_after_a_label_explosion() -> None:
    settings = EvaluationSettings({"r.yml": EXPLOSION}, shards=2, late_ms=MINUTE, max_series=ROOM)
    stage = LocalPipeline(settings)
    outs: list[Out] = []
    for tick in range(1, 80):
        sent = list(exploding(tick))
        late_comers = [host("load", HOSTS + number, tick * TICK, 9.0) for number in range(20)]
        stage.add(batch_of(sent if 1 < tick <= 40 else [*sent[:HOSTS], *(late_comers if tick > 70 else ())]))
        outs += stage.advance(tick * TICK)
    hot = courses(outs)["Hot"]
    for number in range(HOSTS, HOSTS + 20):
        assert hot[f"h{number}"] == [("pending", 71 * TICK), ("firing", 73 * TICK)]
