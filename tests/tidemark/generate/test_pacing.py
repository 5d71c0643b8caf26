"""Pace and live event times, on a clock of the test's own."""

from __future__ import annotations

from itertools import islice

import pytest

from tidemark.generate.pacing import Pace, instants, live_instants


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self, now=0.0):
        self.now = now
        self.slept = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.slept += seconds


def test_a_rate_is_kept_to():
    clock = Clock(100.0)
    pace = Pace(1000, clock, clock.sleep)
    for sent in range(100, 2001, 100):
        clock.now += 0.01
        pace.after(sent)
    assert clock.now == pytest.approx(102.0)


def test_a_slow_run_is_not_slowed_further():
    clock = Clock()
    pace = Pace(1000, clock, clock.sleep)
    clock.now = 10
    pace.after(1000)
    assert clock.slept == 0


def test_rate_zero_never_waits():
    clock = Clock()
    Pace(0, clock, clock.sleep).after(10**9)
    assert clock.slept == 0


def test_instants_leave_out_the_end():
    assert list(instants(5, 30, 10)) == [5, 15, 25]


def test_live_instants_are_multiples_of_the_interval_reached_in_time():
    clock = Clock(1003.2)
    times = []
    for ts in islice(live_instants(5_000, None, clock, clock.sleep), 3):
        assert clock.now * 1000 == pytest.approx(ts, abs=1)
        times.append(ts)
    assert times == [1_005_000, 1_010_000, 1_015_000]


def test_live_instants_end_after_the_duration():
    clock = Clock(1000.0)
    assert list(live_instants(5_000, 12_000, clock, clock.sleep)) == [1_005_000, 1_010_000, 1_015_000]


def test_what_was_missed_is_left_out():
    clock = Clock(1000.0)
    times = live_instants(5_000, 60_000, clock, clock.sleep)
    assert next(times) == 1_005_000
    clock.now = 1027.0
    assert [next(times), next(times)] == [1_025_000, 1_030_000]
