"""Dead letters are collected once each, filtered and counted by kind of reason."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.records import DeadLetter, reason_kind
from tidemark.topics.dead_letters import by_reason, collect

LETTERS = st.builds(
    DeadLetter,
    reason=st.sampled_from(["not JSON", "no timestamp", "'x' is no number"]),
    topic=st.sampled_from(["a", "b"]),
    partition=st.integers(0, 2),
    offset=st.integers(0, 5),
    payload=st.binary(max_size=20),
    line=st.none() | st.integers(1, 3),
)


@given(letters=st.lists(LETTERS), others=st.lists(st.binary(max_size=10), max_size=3))
def test_each_is_collected_once_and_everything_is_counted(letters, others):
    found = collect([letter.encode() for letter in letters] + others)
    places = {(letter.topic, letter.partition, letter.offset, letter.line) for letter in letters}
    assert len(found.letters) == len(places)
    assert len(found.letters) + found.repeats == len(letters)
    assert found.unreadable == len(others)
    assert all(letter in letters for letter in found.letters)


@given(letters=st.lists(LETTERS))
def test_reasons_select_and_counts_add_up(letters):
    values = [letter.encode() for letter in letters]
    found = collect(values, "number").letters
    assert all("number" in letter.reason for letter in found)
    counts = by_reason(collect(values).letters)
    assert sum(number for _, number in counts) == len(collect(values).letters)
    assert [number for _, number in counts] == sorted((number for _, number in counts), reverse=True)


def test_kinds_leave_out_what_differs():
    assert reason_kind("column 17: 'abc' is no value, not \"x\"") == "column N: '...' is no value, not '...'"
