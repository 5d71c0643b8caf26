"""What shards say travels unchanged, and rules over the union of it come to the same as over all samples."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.evaluation.groups import Evaluator
from rules.evaluation.program import Program
from rules.evaluation.schedule import Schedule
from rules.promql.labels import LabelFrame
from rules.promql.notation import parse_series_description
from rules.promql.syntax.ast import Matcher, MatchOp
from rules.promql.syntax.errors import EvaluationError
from rules.promql.syntax.parser import parse
from rules.promql.values import STALE, InstantVector, SeriesSet
from schemas.batch import write_ipc
from schemas.series import shard_of, split_labels
from tests.rules.evaluation.stepping import MINUTE, failures, groups_of, minutes, reported, written
from tests.rules.evaluation.stepping import storage_of as described
from tests.transforms.alerts.streams import Sent, batch_of, bits, cells
from transforms.alerts.fragments.fragments import SHARD_LABEL, FragmentSpec, cut
from transforms.alerts.fragments.partials import HISTORY, Failure, Partials, PartialsBuilder
from transforms.alerts.fragments.partials_wire import decode, encode
from transforms.alerts.fragments.tasks import Task, due
from transforms.alerts.groups.partial_store import PartialStore
from transforms.alerts.shards.state import ShardState

TEXTS = st.text('abé\n"', max_size=3)
LABELS = st.dictionaries(st.sampled_from(("__name__", "a", "b", "c")), TEXTS, max_size=3)
VALUES = st.sampled_from((0.0, -0.0, 1.5, float("nan"), float(STALE), float("inf")))


def task_of(
    expr: str, number: int = 0, *, history_ms: int = 0, shard_label: bool = False, kind: str = "vector"
) -> Task:
    return Task.of(FragmentSpec(number, parse(expr), kind, None, history_ms, shard_label))


def vector_of(rows: list[dict[str, str]], columns: list[list[float | None]]) -> InstantVector:
    present = np.array([[cell is not None for cell in row] for row in columns], np.bool_).reshape(len(rows), -1)
    values = np.array([[0.0 if cell is None else cell for cell in row] for row in columns]).reshape(present.shape)
    return InstantVector(LabelFrame.of(rows), values, present)


def series_of(rows: list[dict[str, str]], samples: list[list[tuple[int, float]]]) -> SeriesSet:
    ends = np.cumsum([len(each) for each in samples])
    flat = [sample for each in samples for sample in each]
    begin = np.concatenate(([0], ends[:-1])).astype(np.int64)
    times, values = (np.array([each[part] for each in flat]) for part in (0, 1))
    clocks = np.arange(len(rows), dtype=np.int64)
    return SeriesSet(LabelFrame.of(rows), times.astype(np.int64), values.astype(np.float64), begin, ends, clocks)


def one(
    task: Task, rows: list[dict[str, str]], columns: list[list[float | None]], times: list[int], **of: int
) -> Partials:
    """What one shard says of one fragment."""
    builder = PartialsBuilder(of.get("shard", 0), np.array(times, np.int64), of.get("revision", 0))
    builder.begin(task.id)
    if rows:
        builder.add_vector(task.id, 0, vector_of(rows, columns))
    return builder.build()


def opened(partials: Partials) -> tuple[object, ...]:
    """All that partials say, in a form that compares."""

    def labels(rows: object, index: int) -> tuple[tuple[str, str], ...]:
        pairs = zip(rows.names, rows.codes[index].tolist(), strict=True)
        return tuple((partials.texts[name], partials.texts[code]) for name, code in pairs if code)

    vectors = {
        (number, labels(part.rows, row), int(partials.times[column])): bits(part.values[row, column])
        for number, part in partials.vectors.items()
        for row, column in np.argwhere(part.present).tolist()
    }
    samples = {
        number: (
            [labels(part.rows, row) for row in range(len(part.counts))],
            part.counts.tolist(),
            part.timestamps.tolist(),
            [bits(value) for value in part.values.tolist()],
        )
        for number, part in partials.samples.items()
    }
    stored = {number: list(found) for number, found in partials.failures.items()}
    return partials.shard, partials.revision, partials.times.tolist(), partials.evaluated, vectors, samples, stored


@st.composite
def partials_of(draw: st.DrawFn) -> tuple[Partials, dict[tuple[object, ...], int]]:
    times = sorted(draw(st.sets(st.integers(-5, 1 << 50), min_size=1, max_size=4)))
    builder = PartialsBuilder(draw(st.integers(0, 9)), np.array(times, np.int64), draw(st.integers(0, 3)))
    wanted = {}
    for number in draw(st.sets(st.integers(0, (1 << 63) - 1), max_size=5)):
        builder.begin(number)
        rows = draw(
            st.lists(LABELS, max_size=20, unique_by=lambda row: tuple(sorted((k, v) for k, v in row.items() if v)))
        )
        cell = st.one_of(st.none(), VALUES)
        columns = [draw(st.lists(cell, min_size=len(times), max_size=len(times))) for _ in rows]
        kind = draw(st.sampled_from(("vector", "halves", "samples", "failure", "nothing")))
        if kind == "vector" and rows:
            builder.add_vector(number, 0, vector_of(rows, columns))
        if kind == "halves" and rows:
            for first in range(len(times)):
                builder.add_vector(number, first, vector_of(rows, [row[first : first + 1] for row in columns]))
        if kind in ("vector", "halves"):
            for row, found in zip(rows, columns, strict=True):
                key = tuple((name, value) for name, value in sorted(row.items()) if value)
                wanted |= {
                    (number, key, when): bits(each) for when, each in zip(times, found, strict=True) if each is not None
                }
        if kind == "samples" and rows:
            builder.add_samples(number, series_of(rows, [[(3, 1.0), (9, float(STALE))] for _ in rows]))
        if kind == "failure":
            builder.add_failure(number, draw(st.integers(0, len(times) - 1)), draw(TEXTS))
    return builder.build(), wanted


@given(partials_of())
def test_partials_travel_unchanged(made: tuple[Partials, dict[tuple[object, ...], int]]) -> None:
    partials, wanted = made
    assert opened(partials)[4] == wanted
    assert opened(decode(encode(partials))) == opened(partials)


def test_everything_that_a_shard_says_at_once_travels() -> None:
    builder = PartialsBuilder(7, np.array([10, 20, 30], np.int64), 2)
    for fragment in (9, 4, 6, 5, 3):
        builder.begin(fragment)
    builder.add_vector(9, 0, vector_of([{"i": "a"}, {"i": "b", "j": "c"}], [[1.0, None, 2.0], [None, -0.0, None]]))
    builder.add_vector(4, 1, vector_of([{"j": "a"}], [[3.0, 4.0]]))
    builder.add_samples(6, series_of([{"i": "b"}, {"i": "c"}], [[(1, 5.0), (2, 6.0)], [(3, 7.0)]]))
    builder.add_samples(3, series_of([{"j": "d"}], [[(4, 8.0)]]))
    builder.add_failure(9, 1, "too many")
    builder.add_failure(5, 0, "many to many")
    builder.add_failure(5, 2, "same labels")
    there = decode(encode(builder.build()))
    a, b, c = (("i", "a"),), (("i", "b"), ("j", "c")), (("j", "a"),)
    assert opened(there) == (
        7,
        2,
        [10, 20, 30],
        {3, 4, 5, 6, 9},
        {
            (9, a, 10): bits(1.0),
            (9, a, 30): bits(2.0),
            (9, b, 20): bits(-0.0),
            (4, c, 20): bits(3.0),
            (4, c, 30): bits(4.0),
        },
        {
            6: ([(("i", "b"),), (("i", "c"),)], [2, 1], [1, 2, 3], [bits(5.0), bits(6.0), bits(7.0)]),
            3: ([(("j", "d"),)], [1], [4], [bits(8.0)]),
        },
        {9: [Failure(1, "too many")], 5: [Failure(0, "many to many"), Failure(2, "same labels")]},
    )
    # What is read is of the types that are written, so it may be put together with what is at hand.
    vector, samples = there.vectors[9], there.samples[6]
    assert (vector.rows.codes.dtype, vector.values.dtype, vector.present.dtype) == (np.int32, np.float64, np.bool_)
    assert (samples.counts.dtype, samples.timestamps.dtype, there.times.dtype) == (np.int64, np.int64, np.int64)


def test_nothing_is_small_and_a_label_travels_once() -> None:
    task = task_of("x")
    assert len(encode(one(task, [], [], [0]))) < 1_500
    rows = [{"instance": f"a-rather-long-name-of-a-host-{n}", "job": "j"} for n in range(1_000)]
    once = PartialsBuilder(0, np.array([0], np.int64))
    for number in range(20):
        once.begin(number)
        once.add_vector(number, 0, vector_of(rows, [[1.0]] * len(rows)))
    assert len(encode(once.build())) < 2 * len(encode(one(task, rows, [[1.0]] * len(rows), [0])))


@pytest.mark.parametrize("data", [b"", b"nothing of the kind", write_ipc(pa.RecordBatch.from_pydict({"a": [1]}))])
def test_what_is_no_wire_form_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"schema message|metadata|partials without a version"):
        decode(data)


def asked(store: PartialStore, *times: int, number: int = 0) -> dict[tuple[object, ...], float]:
    evaluation_times = np.array(times, np.int64)
    found = store.fragment(number, evaluation_times)
    return {
        (labels, when): float(np.uint64(value).view(np.float64))
        for (labels, when), value in cells(found.labels.rows(), found, evaluation_times).items()
    }


A, B = {"i": "a"}, {"i": "b", "j": "c"}
ROW_A, ROW_B = (("i", "a"),), (("i", "b"), ("j", "c"))


def test_the_union_is_that_of_all_shards_and_evaluation_times() -> None:
    task = task_of("x")
    store = PartialStore([task])
    store.add(one(task, [A], [[1.0, None]], [10, 20], shard=0))
    store.add(one(task, [B], [[2.0, 3.0]], [10, 20], shard=1))
    store.add(one(task, [A], [[4.0]], [30], shard=0))
    assert asked(store, 10, 20, 30, 40) == {(ROW_A, 10): 1.0, (ROW_B, 10): 2.0, (ROW_B, 20): 3.0, (ROW_A, 30): 4.0}
    assert asked(store, 20) == {(ROW_B, 20): 3.0}
    assert asked(store, 40) == {}
    assert (store.shards_at(10), store.shards_at(30)) == ({0, 1}, {0})


def test_what_is_said_for_new_rules_of_before_neither_replaces_a_first_word_nor_counts_as_one() -> None:
    task, other = task_of("x"), task_of("y")
    store = PartialStore([task, other])
    store.add(one(task, [A], [[1.0]], [20], shard=0))
    store.add(one(task, [A], [[2.0, 3.0]], [10, 20], shard=0, revision=HISTORY))
    store.add(one(other, [B], [[4.0]], [20], shard=1, revision=HISTORY))
    assert asked(store, 10, 20) == {(ROW_A, 10): 2.0, (ROW_A, 20): 1.0}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_later_revision_replaces_an_earlier_one_whatever_comes_first(order: tuple[int, ...]) -> None:
    task = task_of("x")
    store = PartialStore([task])
    stored = [
        one(
            task,
            [A],
            [
                [1.0],
            ],
            [10],
        ),
        one(task, [], [], [10], revision=1),
    ]
    for index in order:
        store.add(stored[index])
    assert asked(store, 10) == {}


def test_shards_are_told_apart_where_their_series_may_be_the_same() -> None:
    task = task_of("sum(x)", shard_label=True)
    store = PartialStore([task])
    for shard in (3, 12):
        store.add(one(task, [{}], [[1.0]], [10], shard=shard))
    assert {labels for labels, _ in asked(store, 10)} == {((SHARD_LABEL, "3"),), ((SHARD_LABEL, "12"),)}


def test_the_same_series_of_two_shards_is_an_error() -> None:
    task = task_of("x")
    store = PartialStore([task])
    for shard in (0, 1):
        store.add(one(task, [A], [[1.0]], [10], shard=shard))
    with pytest.raises(EvaluationError, match="same labelset"):
        asked(store, 10)


def test_what_failed_in_a_shard_fails_at_that_evaluation_time() -> None:
    task = task_of("x")
    builder = PartialsBuilder(0, np.array([10, 20], np.int64))
    builder.begin(task.id)
    builder.add_vector(task.id, 0, vector_of([A], [[1.0]]))
    builder.add_failure(task.id, 1, "too many")
    store = PartialStore([task])
    store.add(builder.build())
    assert asked(store, 10) == {(ROW_A, 10): 1.0}
    with pytest.raises(EvaluationError, match="too many"):
        asked(store, 10, 20)


def test_evaluation_times_are_kept_as_long_as_rules_ask_for_them() -> None:
    brief, lasting = task_of("x"), task_of("y", 1, history_ms=100)
    store = PartialStore([brief, lasting])
    for when in (50, 51, 150):
        store.add(one(brief, [A], [[1.0]], [when]))
        store.add(one(lasting, [A], [[1.0]], [when]))
    store.prune(150)
    assert asked(store, 50, 150) == {(ROW_A, 150): 1.0}
    assert asked(store, 50, 51, 150, number=1) == {(ROW_A, 51): 1.0, (ROW_A, 150): 1.0}


def test_other_rules_find_what_is_there_of_their_fragments() -> None:
    old = [task_of("x"), task_of("y", 1)]
    store = PartialStore(old)
    store.add(one(old[1], [A], [[1.0]], [10]))
    store.follow([task_of("y"), task_of("z", 1)])
    assert asked(store, 10) == {(ROW_A, 10): 1.0}
    with pytest.raises(EvaluationError, match="shard 0 has not evaluated"):
        asked(store, 10, number=1)
    assert asked(store, 9, number=1) == {}


def test_gathered_samples_are_a_store() -> None:
    task = task_of("x", kind="samples", history_ms=50)
    store = PartialStore([task])
    name = {"__name__": "x", "i": "a"}
    for revision, samples in ((1, [(10, 5.0)]), (0, [(10, 1.0), (20, float(STALE))]), (0, [(30, 2.0)])):
        builder = PartialsBuilder(0, np.array([samples[-1][0]], np.int64), revision)
        builder.begin(task.id)
        builder.add_samples(task.id, series_of([name], [samples]))
        store.add(decode(encode(builder.build())))
    matchers = (Matcher("__name__", MatchOp.EQUAL, "x"),)
    found = store.select(matchers, 0, 100, stale=True)
    assert found.labels.rows() == [name]
    assert found.timestamps.tolist() == [10, 20, 30]
    assert found.values.tolist()[0] == 5.0
    store.prune(70)
    assert store.select(matchers, 0, 100, stale=False).timestamps.tolist() == [30]


def test_fragments_are_due_at_the_evaluation_times_of_their_rules_or_their_step() -> None:
    often, seldom = Schedule(20), Schedule(60, 5)
    specs = [
        FragmentSpec(0, parse("a"), "vector", None, 0, False, (often,)),
        FragmentSpec(1, parse("b"), "vector", None, 0, False, (often, seldom)),
        FragmentSpec(2, parse("c"), "vector", 20, 0, False, (seldom,)),
        FragmentSpec(3, parse("d"), "vector", 500, 0, False, (seldom,)),
    ]
    runs = due(map(Task.of, specs), 40, 120)
    assert [([task.spec.number for task in run.tasks], run.times.tolist()) for run in runs] == [
        ([0, 2], [60, 80, 100, 120]),
        ([1], [55, 60, 80, 100, 115, 120]),
    ]


RULES = """
groups:
- name: g
  interval: 1m
  rules:
  - {record: "job:x:sum", expr: "sum by (job) (rate(x[3m]))"}
  - {record: "job:x:avg", expr: "avg by (job) (x)"}
  - {record: "worst", expr: "topk(2, x)"}
  - {record: "spread", expr: "quantile(0.5, x) - on () stddev(y)"}
  - {record: "peak", expr: "max_over_time(sum(x)[4m:1m])"}
  - {record: "counts", expr: 'count_values("v", y)'}
  - {alert: High, expr: "x > 3 and on (instance) y > 0", for: 2m}
  - {alert: Gone, expr: 'absent(x{job="nowhere"})', for: 1m}
  - {alert: Silent, expr: "absent(x)"}
  - {alert: Ratio, expr: "job:x:sum > 0"}
  - {alert: Many, expr: "x + on (job) y > 0"}
  - alert: Loud
    expr: sum by (instance) (y) > 1
    keep_firing_for: 2m
    annotations: {all: '{{ with query "sum(x)" }}{{ . | first | value }}{{ end }}'}
- name: h
  interval: 2m
  rules:
  - {record: "both", expr: "job:x:avg + sum without (instance) (y)"}
  - {alert: Firing, expr: 'count(ALERTS{alertstate="firing"}) > 1'}
"""


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(1, 4))
def test_rules_over_shards_come_to_the_same_as_over_all_samples(seed: int, shards: int) -> None:
    rng = np.random.default_rng(seed)
    lines = []
    for name in ("x", "y"):
        for job, instance in (("p", "1"), ("p", "2"), ("q", "1"), ("q", "3")):
            # Which of equal values is among the top is nobody's promise: those of x are all different.
            unlike = f".{len(lines) * 125:03d}" if name == "x" else ""
            drawn = [rng.choice(["0", "1", "2", "4", "8", "_", "_", "stale"]) for _ in range(14)]
            cells_of = [each + unlike if each.isdigit() else each for each in drawn]
            lines.append(f'{name}{{job="{job}",instance="{instance}"}} ' + " ".join(cells_of))
    program = Program(groups_of(RULES))
    reference = Evaluator(program, described(*lines))
    made = cut(program)
    tasks = [Task.of(spec) for spec in made.fragments]
    states = [ShardState(shard, made.state()) for shard in range(shards)]
    store = PartialStore(tasks)
    evaluator = Evaluator(made.program, store)
    sent = []
    for line in lines:
        labels, values, present = parse_series_description(line)
        row = tuple(sorted(labels.items()))
        sent += [Sent(row, n * MINUTE, values[n], n) for n in np.flatnonzero(present).tolist()]
    before = -1
    for now in minutes(0, 20).tolist():
        for state in states:
            here = [
                each for each in sent if before < each.ts <= now and shard_of(target_of(each), shards) == state.shard
            ]
            if here:
                state.add(batch_of(here))
            for run in due(tasks, before, now):
                store.add(decode(encode(state.evaluate(run.tasks, run.times, since_ms=before))))
            state.prune(now)
        before = now
        schedule = [np.array([now] if now % (MINUTE * each) == 0 else [], np.int64) for each in (1, 2)]
        left, right = evaluator.evaluate_schedule(schedule), reference.evaluate_schedule(schedule)
        assert reported(left) == reported(right)
        assert places(failures(left)) == places(failures(right))
        store.prune(now)
    assert rounded(evaluator) == rounded(reference)


def places(found: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Failures without the series that they name: which of many is the store's choice."""
    return [(when, position, message.partition("{")[0]) for when, position, message in found]


def target_of(sent: Sent) -> str:
    return split_labels({name: value for name, value in sent.labels if name != "__name__"})[0]


def rounded(evaluator: Evaluator) -> dict[object, list[tuple[int, str]]]:
    """What rules wrote, but for the last digits, which depend on the order of a sum."""
    return {
        labels: [(when, f"{np.uint64(value).view(np.float64):.12g}") for when, value in found]
        for labels, found in written(evaluator).items()
    }
