"""Samples of different series, or times, that become one: which is kept, and that none of the others is taken for a duplicate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import batch as batches
from schemas.batch import SampleBatch, merge_dictionaries
from schemas.codecs.block import BlockDecoder
from schemas.records import LINE_PROTOCOL, RawRecord
from schemas.series import LABELS_ORIGIN, MEASUREMENT_ORIGIN
from schemas.tiers import Tiers
from tests.transforms.naive import NOON, partitions_of, rows_of
from tests.transforms.windows.core import Level, fates_of
from transforms.losses.examples import COLLIDED, EXAMPLES, Example
from transforms.rollups import samples as samples_algorithm
from transforms.rollups.fates import Fates
from transforms.rollups.samples import Merged, merge
from transforms.windows import machine as window_algorithm
from transforms.windows.content import Key

DISK, DISK_USED = (MEASUREMENT_ORIGIN + name for name in ("disk", "disk_used"))
ENV_A, ENV_B = (LABELS_ORIGIN + f'{{env="{name}"}}' for name in "ab")
TIER = Tiers().rollups[0]


class Sample(NamedTuple):
    """A sample of the one metric there is; ``seq`` is unique."""

    host: str
    ts: int
    value: float
    seq: int
    origin: str = ""
    fine: int = 0


def batch_of(samples: Sequence[Sample], late: bool = False) -> SampleBatch:
    one = np.zeros(1, np.int32)
    targets, target = merge_dictionaries([([f'{{host="{each.host}"}}'], one) for each in samples])
    origins, metric = merge_dictionaries([([each.origin], one) for each in samples])
    return SampleBatch(
        targets=targets,
        metrics=["disk_used_percent"] * len(origins),
        target=target,
        metric=metric,
        ts=np.array([each.ts for each in samples], np.int64),
        value=np.array([each.value for each in samples]),
        seq=np.array([each.seq for each in samples], np.int64),
        late=late,
        origins=origins,
        fine=np.array([each.fine for each in samples], np.int32),
    ).compact()


def naive(samples: Sequence[Sample]) -> tuple[dict[tuple[str, int], float], int, int]:
    """By host and time the value that is kept, and how many samples are duplicates, and collided."""
    measured: dict[str, str] = {}
    for each in samples:
        if each.origin.startswith(MEASUREMENT_ORIGIN):
            measured[each.host] = min(measured.get(each.host, each.origin), each.origin)
    kept: dict[tuple[str, int], Sample] = {}
    shown: dict[tuple[str, int], set[tuple[str, int]]] = {}
    collided = 0
    for each in sorted(samples, key=lambda each: each.seq):
        if each.origin.startswith(MEASUREMENT_ORIGIN) and each.origin != measured[each.host]:
            collided += 1
            continue
        kept[each.host, each.ts] = each
        shown.setdefault((each.host, each.ts), set()).add((each.origin, each.fine))
    collided += sum(len(identities) - 1 for identities in shown.values())
    return {place: each.value for place, each in kept.items()}, len(samples) - len(kept) - collided, collided


def values(merged: Merged) -> dict[tuple[str, int], float]:
    """By host and time the value that is kept; asserts that each is there once, and each series in one stretch of rows."""
    rows = merged.samples
    hosts = [rows.targets[index].split('"')[1] for index in rows.target]
    found = dict(zip(zip(hosts, rows.ts.tolist(), strict=True), rows.value.tolist(), strict=True))
    assert len(found) == len(rows)
    assert len(rows_of(samples_algorithm.rollup(rows, tier=TIER, window=NOON, shard=0))) == len(merged.starts)
    return found


def total(fates: Fates) -> int:
    return fates.written + fates.merged_late + fates.duplicate + fates.unwritable + fates.collided


A, B = Sample("a", NOON, 10, 0, DISK), Sample("a", NOON, 90, 1, DISK_USED)


@pytest.mark.parametrize(
    ("samples", "wanted", "fates"),
    [
        ([A, B], {NOON: 10.0}, Fates(written=1, collided=1)),
        ([B._replace(seq=0), A._replace(seq=1)], {NOON: 10.0}, Fates(written=1, collided=1)),
        ([A, A._replace(seq=2, value=11)], {NOON: 11.0}, Fates(written=1, duplicate=1)),
        ([A, B._replace(ts=NOON + 9)], {NOON: 10.0}, Fates(written=1, collided=1)),
        ([A, B._replace(host="b")], {NOON: 10.0}, Fates(written=2)),
        ([A, B._replace(origin="")], {NOON: 90.0}, Fates(written=1, duplicate=1)),
        ([A, B._replace(origin=DISK, fine=1)], {NOON: 90.0}, Fates(written=1, collided=1)),
        ([A, B._replace(origin=DISK, fine=1), A._replace(seq=2)], {NOON: 10.0}, Fates(1, 0, 1, 0, 1)),
        ([A._replace(origin=ENV_A), B._replace(origin=ENV_B)], {NOON: 90.0}, Fates(written=1, collided=1)),
        ([A._replace(origin=ENV_A), B._replace(origin="")], {NOON: 90.0}, Fates(written=1, duplicate=1)),
        (
            [A._replace(origin=ENV_A), B._replace(origin=ENV_B, ts=NOON + 9)],
            {NOON: 10.0, NOON + 9: 90.0},
            Fates(written=2),
        ),
    ],
    ids=lambda value: None,
)
def test_what_is_kept_and_what_is_said_of_the_rest(
    samples: list[Sample], wanted: dict[int, float], fates: Fates
) -> None:
    merged = merge(None, [batch_of(samples)])
    assert {ts: value for (host, ts), value in values(merged).items() if host == "a"} == wanted
    assert merged.fates == fates
    assert bool(merged.fates.collisions) == bool(fates.collided)


def test_an_example_says_what_it_is_and_what_has_its_place() -> None:
    fine = [Sample("a", NOON, 1, 2, fine=5), Sample("a", NOON, 2, 3, fine=21)]
    labels = [Sample("a", NOON, 1, 2, ENV_A), Sample("a", NOON, 2, 3, ENV_B)]
    reasons = [merge(None, [batch_of(some)]).fates.collisions[0].reason for some in ([A, B], fine, labels)]
    assert reasons == [
        "disk_used_percent of measurement disk_used; measurement disk has that name",
        f"of {NOON}000005 ns and {NOON}000021 ns: one time in milliseconds",
        'of labels {env="b"}, and one of labels {env="a"}: one series',
    ]
    twice = [Sample("a", NOON - 9, 5, number, DISK) for number in (7, 8)]
    late = [Sample("b", NOON + 9, 6, number, DISK, fine=number) for number in (9, 10)]
    (example,) = merge(None, [batch_of([*twice, *late])]).fates.collisions
    assert (example.ts, example.seq) == (NOON + 9, 10)
    assert merge(None, [batch_of([A, B])]).fates.collisions[0][:4] == (
        '{__name__="disk_used_percent",host="a"}',
        NOON,
        90.0,
        1,
    )


@st.composite
def some_samples(draw: st.DrawFn, origins: Sequence[str] = (DISK, DISK_USED, MEASUREMENT_ORIGIN + "a")) -> list[Sample]:
    entry = st.tuples(
        st.sampled_from("ab"), st.integers(0, 3), st.floats(-9, 9), st.sampled_from(origins), st.integers(0, 1)
    )
    drawn = draw(st.lists(entry, min_size=1, max_size=12))
    order = draw(st.permutations(range(len(drawn))))
    return [
        Sample(host, NOON + ts, value, seq, origin, fine)
        for seq, (host, ts, value, origin, fine) in zip(order, drawn, strict=True)
    ]


@given(some_samples() | some_samples((ENV_A, ENV_B)))
def test_a_merge_is_that_of_the_plain_model(samples: list[Sample]) -> None:
    merged = merge(None, [batch_of(samples)])
    kept, duplicates, collided = naive(samples)
    assert values(merged) == kept
    assert (merged.fates.duplicate, merged.fates.collided) == (duplicates, collided)
    assert total(merged.fates) == len(samples)


@given(some_samples(), st.data())
def test_what_is_kept_does_not_depend_on_order(samples: list[Sample], data: st.DataObject) -> None:
    merged = merge(None, [batch_of(part) for part in data.draw(partitions_of(samples))])
    kept, duplicates, collided = naive(samples)
    assert values(merged) == kept
    assert (merged.fates.duplicate, merged.fates.collided) == (duplicates, collided)


@given(some_samples(), st.data(), st.booleans())
def test_late_samples_give_way_whether_or_not_the_window_has_fired(
    samples: list[Sample], data: st.DataObject, at_once: bool
) -> None:
    late = [each for each in samples if data.draw(st.booleans())]
    on_time = [each for each in samples if each not in late]
    if at_once:
        merged = merge(None, [batch_of(part, late=part is late) for part in (late, on_time) if part])
        fates = merged.fates
    else:
        kept, fates, merged = None, Fates(), None
        for part in (on_time, late):
            if part:
                merged = merge(kept, [batch_of(part, late=part is late)])
                # As state keeps it: what a merge left, in wire form.
                kept = batches.decode(batches.encode(samples_algorithm.strip(merged.in_order_of_arrival())))
                fates += merged.fates
    assert merged is not None
    # What late samples may still be of: the measurement that has the series of their host, if any was on time.
    taken = {each.host: min(it.origin for it in on_time if it.host == each.host) for each in on_time}
    wanted, *_ = naive([each for each in samples if each.origin == taken.get(each.host, each.origin)])
    assert values(merged) == wanted
    assert total(fates) == len(samples)
    assert fates.written + fates.merged_late == len(wanted)


@pytest.mark.parametrize("firings", [1, 2])
def test_a_late_measurement_takes_nothing_away(firings: int) -> None:
    on_time, late = batch_of([B, B._replace(ts=NOON + 9, seq=2)]), batch_of([A._replace(ts=NOON + 5)], late=True)
    if firings == 1:
        fates = (merged := merge(None, [late, on_time])).fates
    else:
        first = merge(None, [on_time])
        merged = merge(first.in_order_of_arrival(), [late])
        fates = first.fates + merged.fates
    assert values(merged) == {("a", NOON): 90.0, ("a", NOON + 9): 90.0}
    assert fates == Fates(written=2, collided=1)


@pytest.mark.parametrize(
    "partitions",
    [
        [["disk,host=a used_percent=10 {t}\ndisk_used,host=a percent=90 {t}"]],
        [["disk,host=a used_percent=10 {t}", "disk_used,host=a percent=90 {t}"]],
        [["disk,host=a used_percent=10 {t}"], ["disk_used,host=a percent=90 {t}"]],
        [["disk_used,host=a percent=90 {t}"], ["disk,host=a used_percent=10 {t}"]],
    ],
    ids=["one record", "two records", "two partitions", "the other way round"],
)
@pytest.mark.parametrize("firings", [1, 2], ids=["on time", "late"])
def test_two_measurements_are_told_apart_wherever_they_meet(partitions: list[list[str]], firings: int) -> None:
    level, key, rows = Level(Tiers(), 0), Key(0, NOON), {}
    for number, texts in enumerate(partitions):
        records = [
            RawRecord(text.format(t=NOON * 1_000_000).encode(), offset, -1, LINE_PROTOCOL)
            for offset, text in enumerate(texts)
        ]
        decoded = BlockDecoder().decode_block(records, "t", number).batch
        level.arrive(key, batches.encode(decoded.compact()))
        if firings == 2 or number == len(partitions) - 1:
            rows.update(rows_of(level.fire(NOON + 60_000, key, "on_time")))
    # On time the shorter name has the series; once a window has fired, what it holds.
    first = 90.0 if firings == 2 and partitions[0] == ["disk_used,host=a percent=90 {t}"] else 10.0
    assert {series: row.sum for series, row in rows.items()} == {('{host="a"}', "disk_used_percent"): first}
    fates = fates_of(level.machine)
    assert (fates.written + fates.merged_late, fates.duplicate, fates.collided) == (1, 0, 1)
    (example,) = map(Example.decode, level.machine.noted[EXAMPLES])
    assert example.kind == COLLIDED


def test_what_says_no_measurement_takes_no_measurements_place() -> None:
    plain = batch_of([Sample("a", NOON, 1, 0)])
    merged = merge(None, [plain, batch_of([A._replace(ts=NOON + 5, seq=1), B._replace(ts=NOON + 9, seq=2)], late=True)])
    assert values(merged) == {("a", NOON): 1.0, ("a", NOON + 5): 10.0}
    assert merged.fates == Fates(written=1, merged_late=1, collided=1)


def test_many_targets_and_metrics_with_labels_are_kept_apart() -> None:
    hosts = [f"h{number}" for number in range(9)]
    lines = [f"{name},host={host},x=1 v=1 {NOON}000000" for host in hosts for name in ("disk", "disk_used", "cpu")]
    lines += [f"disk,host={host},x=1 used_v=2 {NOON}000000" for host in hosts]
    records = [RawRecord("\n".join(lines).encode(), 0, -1, LINE_PROTOCOL)]
    merged = merge(None, [BlockDecoder().decode_block(records, "t", 0).batch])
    assert len(merged.samples) == len(merged.starts) == 3 * 9
    assert merged.fates.collided == 9
    assert merged.fates.collisions[0].reason == "disk_used_v of measurement disk_used; measurement disk has that name"


def test_state_in_many_buckets_knows_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_algorithm, "ROWS_PER_BUCKET", 1)
    level, key = Level(Tiers(), 0), Key(0, NOON)
    first = [Sample(f"h{number}", NOON, 1, number, DISK) for number in range(40)]
    again = [Sample(f"h{number}", NOON + 1, 2, 100 + number, DISK_USED) for number in range(40)]
    for part in (first, again):
        level.arrive(key, batches.encode(batch_of(part, late=part is again)))
        level.fire(NOON + 60_000, key, "on_time")
    assert len(level.windows[key].buckets) == 16
    assert fates_of(level.machine) == Fates(written=40, collided=40)
