"""The elements of the stages come back from their bytes as they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.alerts import messages
from transforms.alerts.fragments.partials import HISTORY, PartialsBuilder
from transforms.alerts.messages import BEGINNING_MS, Contribution, Part, RuleFiles
from transforms.machines.watermarks import PartitionWatermark

FILES = RuleFiles(90_000, {"r.yml": "groups: []", "s.yml": ""})


def test_each_kind_has_a_first_byte_of_its_own() -> None:
    """State holds them: another byte is another format."""
    elements = {
        b"S": messages.of_samples(b"abc"),
        b"X": messages.of_extent(1),
        b"R": messages.of_rules(FILES),
        b"C": messages.of_contribution(Contribution(0, BEGINNING_MS, 1, 0, 0, [])),
    }
    assert {kind: messages.kind(element) for kind, element in elements.items()} == {kind: kind for kind in elements}


def test_samples_and_rule_files_come_back() -> None:
    assert messages.samples(messages.of_samples(b"abc")) == b"abc"
    assert messages.rules(messages.of_rules(FILES)) == FILES


@given(
    st.none() | st.integers(-(1 << 61), 1 << 61),
    st.lists(st.builds(PartitionWatermark, *[st.integers(0, 9)] * 4), max_size=3),
)
def test_an_extent_holds_a_time_if_there_is_one_and_partition_watermarks(
    newest_ms: int | None, marks: list[PartitionWatermark]
) -> None:
    element = messages.of_extent(newest_ms, marks)
    assert messages.extent(element) == newest_ms
    assert messages.partition_watermarks(element) == marks


def test_the_times_before_and_at_1970_are_times_like_others() -> None:
    for newest_ms in (-1, 0, 1):
        assert messages.extent(messages.of_extent(newest_ms)) == newest_ms


def test_the_parts_of_a_contribution_come_back_each_with_its_time() -> None:
    parts = [
        Part(known, PartialsBuilder(7, np.array(times, np.int64), revision).build())
        for known, times, revision in (
            (180_000, [120_000, 180_000], 0),
            (180_000, [60_000], 3),
            (240_000, [0], HISTORY),
        )
    ]
    sent = Contribution(7, 60_000, 180_000, 2, 175_000, parts)
    element = messages.of_contribution(sent)
    found = messages.contribution(element)
    assert found[:-1] == sent[:-1] == (7, 60_000, 180_000, 2, 175_000)
    assert [(each.effective_ms, each.partials.revision, each.partials.times.tolist()) for each in found.parts] == [
        (180_000, 0, [120_000, 180_000]),
        (180_000, 3, [60_000]),
        (240_000, HISTORY, [0]),
    ]
    assert {each.partials.shard for each in found.parts} == {7}
    assert messages.until(element) == 180_000


@pytest.mark.parametrize(("after", "until", "amendment"), [(60, 60, True), (60, 61, False), (BEGINNING_MS, 0, False)])
def test_an_amendment_reports_no_new_evaluation_time(after: int, until: int, amendment: bool) -> None:
    assert Contribution(0, after, until, 0, 0, []).is_amendment is amendment
