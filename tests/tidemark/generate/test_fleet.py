"""The fleet: values by seed and instant alone, gauges within bounds, counters that only reboots reset."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.series import parse_labels, parse_metric
from tidemark.generate.catalog import Kind, metrics
from tidemark.generate.fleet import DAY_MS, Fleet

MONDAY = 1_768_176_000_000


@given(
    seed=st.integers(0, 2**64 - 1),
    hosts=st.integers(1, 20),
    columns=st.integers(1, 40),
    ts=st.integers(0, 4_000_000_000_000),
)
def test_equal_seeds_give_equal_values_in_any_order_of_asking(seed, hosts, columns, ts):
    one, other = Fleet(seed, hosts, columns), Fleet(seed, hosts, columns)
    other.scrape(ts + 10_000)
    assert np.array_equal(one.scrape(ts), other.scrape(ts))


@pytest.mark.parametrize("seed", [1, 2**53, 2**64 - 2])
def test_seeds_differ(seed):
    assert not np.array_equal(Fleet(seed, 5, 20).scrape(MONDAY), Fleet(seed + 1, 5, 20).scrape(MONDAY))


@given(
    seed=st.integers(0, 1000),
    start=st.integers(0, 2_000_000_000_000),
    interval=st.sampled_from([1_000, 10_000, 60_000]),
)
def test_a_counter_rises_until_its_host_boots_and_then_begins_anew(seed, start, interval):
    fleet = Fleet(seed, 8, 30)
    counters = [i for i, metric in enumerate(fleet.metrics) if metric.kind is Kind.COUNTER]
    before, after = fleet.scrape(start)[:, counters], fleet.scrape(start + interval)[:, counters]
    rebooted = fleet.booted(start + interval) != fleet.booted(start)
    assert (before >= 0).all()
    assert (after[~rebooted] >= before[~rebooted]).all()
    assert (after[~rebooted].sum(axis=1) > before[~rebooted].sum(axis=1)).all()


def test_reboots_happen_and_reset_counters():
    fleet = Fleet(3, 6, 4)
    column = [metric.name for metric in fleet.metrics].index("http_requests")
    hours = range(MONDAY, MONDAY + 20 * DAY_MS, 3_600_000)
    values = np.array([fleet.scrape(ts)[:, column] for ts in hours])
    resets = (np.diff(values, axis=0) < 0).sum(axis=0)
    boots = [len({int(fleet.booted(ts)[host]) for ts in hours}) - 1 for host in range(6)]
    assert resets.tolist() == boots
    assert min(boots) >= 1


def test_gauges_stay_within_their_bounds_and_decimals():
    fleet = Fleet(5, 10, 60)
    for ts in range(MONDAY, MONDAY + DAY_MS, 1_800_000):
        values = fleet.scrape(ts)
        for column, metric in enumerate(fleet.metrics):
            written = [float(f"{value:.{metric.decimals}f}") for value in values[:, column]]
            assert values[:, column].tolist() == written
            assert (values[:, column] >= 0).all()
            assert (values[:, column] <= metric.ceiling).all()


def test_an_incident_lifts_the_load_of_its_host_alone():
    fleet = Fleet(11, 12, 3)
    depths = {ts: fleet.incident(ts) for ts in range(MONDAY, MONDAY + DAY_MS, 60_000)}
    ts = max(depths, key=lambda ts: depths[ts].max())
    host = int(depths[ts].argmax())
    calm = next(ts for ts in depths if depths[ts][host] == 0)
    latency = [metric.name for metric in fleet.metrics].index("http_latency_ms")
    assert depths[ts][host] > 0.3
    assert fleet.scrape(ts)[host, latency] > 2 * fleet.scrape(calm)[host, latency]
    assert any(depth.max() == 0 for depth in depths.values())


@pytest.mark.parametrize("number", [1, 11, 12, 100, 1000])
def test_the_catalogue_gives_as_many_distinct_metrics_as_asked_for(number):
    texts = [metric.text for metric in metrics(number)]
    assert len(set(texts)) == number
    for metric in metrics(number):
        assert parse_metric(metric.text) == (metric.name, dict(metric.labels))


def test_hosts_vary_in_their_labels():
    labels = [parse_labels(target) for target in Fleet(1, 30, 1).targets]
    assert len({each["host"] for each in labels}) == 30
    assert len({each["pool"] for each in labels}) == 5
    assert len({each["zone"] for each in labels}) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 0, 1), "hosts: at least one"),
        ((1, 1, 0), "metrics: at least one"),
        ((-1, 1, 1), "seed: a number from 0"),
        ((2**64, 1, 1), "seed: a number from 0"),
    ],
)
def test_wrong_sizes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Fleet(*arguments)
