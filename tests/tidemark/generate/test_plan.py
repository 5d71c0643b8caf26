"""Faults are planned by seed and instant; the schedule delivers everything exactly once, late things later."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemark.generate.fleet import Fleet
from tidemark.generate.plan import Delivery, Faults, Schedule, Scrape, scrapes

INTERVAL = 10_000
START = 1_768_176_000_000
SHARES = st.sampled_from([0.0, 0.1, 0.5, 1.0])


@st.composite
def faults(draw):
    mean = draw(st.integers(1, 120_000))
    return Faults(
        late=draw(SHARES),
        late_mean_ms=mean,
        late_max_ms=mean * draw(st.integers(1, 20)),
        duplicates=draw(SHARES),
        differing=draw(SHARES),
        malformed=draw(SHARES),
    )


def deliveries(fleet, faults, ticks):
    """All scrapes planned, and for each delivery the instant of the step that made it (None: at the end)."""
    schedule, planned, delivered = Schedule(), [], []
    for ts in range(START, START + ticks * INTERVAL, INTERVAL):
        new = scrapes(fleet, ts, INTERVAL, faults)
        planned += new
        delivered += [(ts, delivery) for delivery in schedule.step(ts, new)]
    return planned, delivered + [(None, delivery) for delivery in schedule.due()]


@given(seed=st.integers(0, 1000), faults=faults(), ticks=st.integers(1, 12))
def test_every_scrape_is_delivered_once_and_once_more_if_it_is_sent_again(seed, faults, ticks):
    planned, delivered = deliveries(Fleet(seed, 7, 3), faults, ticks)
    wanted = []
    for scrape in planned:
        wanted.append(Delivery(scrape.host, scrape.ts, scrape.values))
        if scrape.resent is not None:
            wanted.append(Delivery(scrape.host, scrape.ts, scrape.resent))
        if scrape.malformed:
            wanted.append(Delivery(scrape.host, scrape.ts, scrape.values, malformed=True))
    assert sorted(delivery for _, delivery in delivered) == sorted(wanted)


@given(seed=st.integers(0, 1000), faults=faults())
def test_nothing_comes_before_its_time_and_a_second_delivery_after_the_first(seed, faults):
    planned, delivered = deliveries(Fleet(seed, 5, 2), faults, 8)
    plan = {(scrape.host, scrape.ts): scrape for scrape in planned}
    seen = set()
    for now, delivery in delivered:
        scrape = plan[delivery.host, delivery.ts]
        if delivery.malformed:
            continue
        again = (delivery.host, delivery.ts) in seen
        assert delivery.values == (scrape.resent if again else scrape.values)
        due = scrape.ts + (scrape.resent_delay_ms if again else scrape.delay_ms)
        if now is not None:
            assert due <= now < due + INTERVAL
        seen.add((delivery.host, delivery.ts))


@given(seed=st.integers(0, 1000), faults=faults())
def test_plans_are_by_seed_and_instant_alone(seed, faults):
    one, other = Fleet(seed, 6, 2), Fleet(seed, 6, 2)
    scrapes(other, START - INTERVAL, INTERVAL, faults)
    assert scrapes(one, START, INTERVAL, faults) == scrapes(other, START, INTERVAL, faults)


@given(faults=faults())
def test_delays_keep_to_their_bounds(faults):
    for scrape in scrapes(Fleet(9, 200, 1), START, INTERVAL, faults):
        assert 0 <= scrape.delay_ms <= faults.late_max_ms
        assert scrape.resent_delay_ms > scrape.delay_ms or scrape.resent is None


def test_shares_are_met():
    fleet = Fleet(1, 20_000, 1)
    planned = scrapes(fleet, START, INTERVAL, Faults(late=0.1, duplicates=0.2, differing=0.5, malformed=0.05))
    share = {
        "late": sum(scrape.delay_ms > 0 for scrape in planned),
        "again": sum(scrape.resent is not None for scrape in planned),
        "differing": sum(scrape.resent not in (None, scrape.values) for scrape in planned),
        "malformed": sum(scrape.malformed for scrape in planned),
    }
    wanted = {"late": 0.1, "again": 0.2, "differing": 0.1, "malformed": 0.05}
    assert {name: number / 20_000 for name, number in share.items()} == pytest.approx(wanted, rel=0.1)


def test_a_transcript():
    on_time = Scrape(0, 0, [1.0])
    late = Scrape(1, 0, [2.0], delay_ms=15_000)
    twice = Scrape(2, 10_000, [3.0], resent=[4.0], resent_delay_ms=1)
    broken = Scrape(3, 20_000, [5.0], malformed=True)
    schedule = Schedule()
    steps = [(0, [on_time, late]), (10_000, [twice]), (20_000, [broken])]
    seen = {now: list(schedule.step(now, new)) for now, new in steps}
    assert seen == {
        0: [Delivery(0, 0, [1.0])],
        10_000: [Delivery(2, 10_000, [3.0])],
        20_000: [
            Delivery(2, 10_000, [4.0]),
            Delivery(1, 0, [2.0]),
            Delivery(3, 20_000, [5.0]),
            Delivery(3, 20_000, [5.0], malformed=True),
        ],
    }
    assert list(schedule.due()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"late": 1.5}, "late: a share from 0 to 1"),
        ({"malformed": -0.1}, "malformed: a share from 0 to 1"),
        ({"late_mean_ms": 10, "late_max_ms": 5}, "mean delay"),
        ({"late_mean_ms": 0}, "above zero"),
    ],
)
def test_wrong_shares_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Faults(**arguments)
