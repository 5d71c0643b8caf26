"""Alerts in the terminal."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tidemark.demo.alert_table import FIRING, INACTIVE, MOST_ROWS, PENDING, alert_bar, alert_table, counts
from tidemark.report.alerts import AlertRule, Alerts, Episode
from tidemark.report.payload import Source

MINUTE = 60_000
DAY = 1440 * MINUTE


def episode(pending, firing, ended, name="High", host="a", **others):
    at = [None if minute is None else minute * MINUTE for minute in (pending, firing, ended)]
    labels = (("host", host), ("severity", "page"))
    return Episode(("g", name), labels, *at, 3.0, 2.0, annotations={"summary": f"{host} is high"}, **others)


def text_of(alerts, width=120):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(alert_table(Source("fleet", "A fleet", "", {}, frozenset(), {}, alerts=alerts), width))
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("episodes", "wanted"),
    [
        ([], "··········"),
        ([episode(10, 20, 40)], "·▒██······"),
        ([episode(10, None, 20), episode(90, 95, None)], "·▒·······█"),
        ([episode(0, 0, 100)], "██████████"),
        # Too short to be seen, were it drawn to scale.
        ([episode(55, 55, 56)], "·····█····"),
        ([episode(50, None, 60), episode(52, 53, 54)], "·····█····"),
        ([episode(100, 100, None)], "·········█"),
    ],
)
def test_the_line_of_an_alert(episodes, wanted):
    assert alert_bar(episodes, 0, 100 * MINUTE, 10) == wanted


@given(
    st.lists(st.tuples(st.integers(-10, 130), st.integers(0, 50), st.integers(0, 50), st.booleans()), max_size=5),
    st.integers(1, 40),
    st.integers(0, 120),
)
def test_a_line_is_as_long_as_it_should_be_and_shows_what_is_gravest(found, width, minutes):
    episodes = [
        episode(begin, begin + held if fires else None, begin + held + length) for begin, held, length, fires in found
    ]
    bar = alert_bar(episodes, 0, minutes * MINUTE, width)
    assert len(bar) == width
    assert set(bar) <= {INACTIVE, PENDING, FIRING}
    assert (FIRING in bar) == any(each.fired for each in episodes)
    assert (bar == INACTIVE * width) == (not episodes)


def test_the_table():
    episodes = [
        episode(60, 62, 90),
        episode(100, None, 101, "Short", "b"),
        episode(110, None, 112, "Short", "b"),
        episode(600, 603, 700),
        episode(1300, 1400, None, "Long", "c"),
    ]
    rules = [AlertRule("g", name) for name in ("High", "Short", "Long", "Never")]
    lines = text_of(Alerts(0, DAY, rules, episodes, 12, 2)).splitlines()
    assert lines[0].strip() == "Alerts: A fleet, 00:00 to 24:00"
    assert lines[1].split() == ["alert", "over", "time", "pending", "fired", "resolved", "for"]
    high, why, again, short, short_why, long = (line.split() for line in lines[2:8])
    assert [*high[:2], *high[3:]] == ["High", "a", "01:00", "01:02", "01:30", "28m"]
    assert high[2].count(FIRING) == 5
    assert why == ["a", "is", "high"]
    assert again == ["10:00", "10:03", "11:40", "1h37m"]
    assert [*short[:2], *short[3:]] == ["Short", "b", "01:40", "never", "01:41"]
    assert " ".join(short_why) == "pending only, 2 times: b is high"
    assert [*long[:2], *long[3:]] == ["Long", "c", "21:40", "23:20", "still", "active", "40m"]
    assert lines[-1].strip() == (
        "3 episodes fired, 2 pending only; 2 of 4 rules stayed quiet. Late data corrected 2 events of 12."
    )


def test_of_many_alerts_those_that_fired_longest_are_listed():
    episodes = [episode(0, 0, number + 1, host=f"h{number:03d}") for number in range(3 * MOST_ROWS)]
    reported = text_of(Alerts(0, DAY, [AlertRule("g", "High")], episodes))
    assert f"and {2 * MOST_ROWS} more alerts in the report" in reported
    assert f"h{2 * MOST_ROWS:03d} is high" in reported
    assert f"h{2 * MOST_ROWS - 1:03d} is high" not in reported
    assert f"{3 * MOST_ROWS} episodes fired" in reported


def test_without_alerts_the_counts_are_reported():
    alerts = Alerts(0, DAY, [AlertRule("g", "High")], [])
    assert counts(alerts) == "0 episodes fired, 0 pending only; 1 of 1 rule stayed quiet."
    assert text_of(alerts).splitlines() == ["Alerts: A fleet, 00:00 to 24:00", f" {counts(alerts)}"]


def test_an_alert_without_a_host_and_a_summary():
    bare = replace(episode(1, 1, 2), labels=(("pool", "[a]"), ("severity", "page")), annotations={})
    reported = text_of(Alerts(0, DAY, [AlertRule("g", "High")], [bare]))
    assert 'High {pool="[a]"}' in reported
    assert "value 3" in reported


def test_a_source_without_rules_has_no_alerts():
    with pytest.raises(ValueError, match="no rules were evaluated over fleet"):
        alert_table(Source("fleet", "A fleet", "", {}, frozenset(), {}), 80)


@pytest.mark.parametrize("width", [72, 80, 100, 200])
def test_it_fits_the_terminal(width):
    lines = text_of(Alerts(0, DAY, [AlertRule("g", "High")], [episode(60, 62, None)]), width).splitlines()
    assert max(map(len, lines)) <= width
    (bar,) = (word for word in lines[2].split() if FIRING in word)
    assert len(bar) == {72: 16, 80: 16, 100: 34, 200: 36}[width]
    assert "still active" in lines[2]


def test_within_an_hour_seconds_are_reported():
    reported = text_of(Alerts(0, 30_500, [AlertRule("g", "High")], [replace(episode(0, 0, None), firing_ms=20_000)]))
    assert "00:00:00 to 00:00:30" in reported
    assert reported.splitlines()[2].split()[-5:] == ["00:00:00", "00:00:20", "still", "active", "10s"]
