"""Identities of counters, such as those of a job that counts clicks."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from transforms.ledger import Identity, Ledger, count_lines, each_once, total

FATES = ("counted", "duplicate", "suppressed", "invalid", "conflict", "too_late", "dead_lettered")
CLICKS = Ledger(
    [
        Identity("clicks", each_once("clicks.read"), each_once(*(f"clicks.{fate}" for fate in FATES))),
        # Two outputs, and each of them gets the rows of all windows.
        Identity("rows", {"rows.*": 2}, each_once("store.written", "store.refused")),
        Identity("kept", {"clicks.read": 1, "clicks.too_late": -1}, each_once("clicks.kept")),
    ]
)
COUNTS = {
    "clicks.read": 28,
    **{f"clicks.{fate}": number for number, fate in enumerate(FATES, 1)},
    "clicks.kept": 22,
    "rows.1m": 3,
    "rows.1h": 1,
    "rowsbeside": 7,
    "store.written": 5,
    "store.refused": 3,
}


def test_a_ledger_of_what_came_adds_up() -> None:
    assert CLICKS.differences(COUNTS) == {"clicks": 0, "rows": 0, "kept": 0}


@pytest.mark.parametrize(
    ("name", "differences"),
    [
        ("clicks.read", {"clicks": 1, "kept": 1}),
        ("clicks.duplicate", {"clicks": -1}),
        ("clicks.too_late", {"clicks": -1, "kept": -1}),
        ("rows.1h", {"rows": 2}),
        ("store.refused", {"rows": -1}),
        ("rowsbeside", {}),
    ],
)
def test_one_more_of_a_counter_shows_where_it_belongs(name: str, differences: Mapping[str, int]) -> None:
    found = CLICKS.differences({**COUNTS, name: COUNTS[name] + 1})
    assert found == {"clicks": 0, "rows": 0, "kept": 0, **differences}


def test_a_counter_that_never_counted_is_zero() -> None:
    assert CLICKS.differences({}) == {"clicks": 0, "rows": 0, "kept": 0}
    assert total({"a": 3, "b.*": 1}, {"a": 2}) == 6


def test_the_lines_say_what_does_not_add_up() -> None:
    assert CLICKS.difference_lines({**COUNTS, "clicks.read": 1_028}) == {
        "clicks": "  clicks: difference 1,000  <-- does not add up",
        "rows": "  rows: difference 0",
        "kept": "  kept: difference 1,000  <-- does not add up",
    }


def test_counters_are_shown_with_their_meanings() -> None:
    meanings = {"clicks.read": "clicks that came", "store.written": "rows written", "never": "nothing"}
    assert count_lines({"clicks.read": 1_028, "store.written": 5}, meanings) == [
        "  clicks.read   1,028  clicks that came",
        "  store.written     5  rows written",
        "  never             0  nothing",
    ]
