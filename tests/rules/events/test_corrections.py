"""Corrections: small courses by hand, and random late data after which the history is that of a run in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.evaluation.groups import Evaluator
from rules.evaluation.program import Program
from rules.events.corrections import History, diff
from rules.events.events import EventMaker
from rules.events.identity import retraction_id
from rules.promql.storage import MemoryStorage
from schemas.alert_event import AlertEvent, State, decode, encode
from tests.rules.evaluation.stepping import MINUTE, groups_of, minutes

RULES = """
groups:
- name: g
  rules:
  - alert: High
    expr: x > 2
    for: 1m
    keep_firing_for: 1m
    annotations: {summary: 'at {{ $value }}'}
  - alert: Any
    expr: count(x > 2)
    labels: {n: '{{ $value }}'}
"""
LAST = 9
Samples = dict[tuple[str, int], float]


def run(samples: Samples, rules: str = RULES) -> list[AlertEvent]:
    """The events of an evaluation of every minute over samples by series and minute."""
    series: dict[str, list[tuple[int, float]]] = {}
    for (name, minute), value in sorted(samples.items()):
        series.setdefault(name, []).append((minute * MINUTE, value))
    storage = MemoryStorage.from_series(
        ({"__name__": "x", "i": name}, [when for when, _ in points], [value for _, value in points])
        for name, points in series.items()
    )
    program = Program(groups_of(rules))
    evaluator = Evaluator(program, storage)
    return EventMaker(program).make(evaluator, evaluator.evaluate(minutes(0, LAST)).events)


def of(values: Sequence[float | None]) -> Samples:
    return {("1", minute): value for minute, value in enumerate(values) if value is not None}


ONE = "groups: [{name: g, rules: [{alert: High, expr: 'x > 2', for: 2m}]}]"


def corrected(reported: Sequence[float | None], due: Sequence[float | None], rules: str = ONE) -> list[str]:
    """The corrections as ``minute state < minute state``, the right side being what is replaced."""
    before = run(of(reported), rules)
    by_id = {each.id: f"{each.evaluated_at // MINUTE} {each.state.value}" for each in before}
    return [
        f"{each.evaluated_at // MINUTE} {each.state.value} < {by_id.get(each.replaces or '', 'nothing')}"
        for each in diff(before, run(of(due), rules))
    ]


def test_what_is_as_it_was_reported_needs_no_correction() -> None:
    assert corrected([0, 0, 3, 3, 3, 3, 0], [1, 2, 3, 4, 3, 3, 0]) == []


def test_an_alert_that_was_active_earlier_than_reported() -> None:
    assert corrected([0, 0, 3, 3, 3, 3, 0], [0, 3, 3, 3, 3, 3, 0]) == [
        "1 pending < 2 pending",
        "3 firing < 4 firing",
        "6 resolved < 6 resolved",
    ]


def test_an_alert_that_was_never_reported() -> None:
    assert corrected([0] * 10, [0, 3, 3, 3, 0]) == ["1 pending < nothing", "3 firing < nothing", "4 resolved < nothing"]


def test_an_alert_that_should_not_have_been_reported() -> None:
    assert corrected([0, 3, 3, 3, 0], [0] * 10) == [
        "1 retracted < 1 pending",
        "3 retracted < 3 firing",
        "4 retracted < 4 resolved",
    ]


def test_an_end_is_replaced_by_an_end() -> None:
    assert corrected([0, 3, 3, 0], [0, 3, 3, 3, 0]) == ["3 firing < nothing", "4 resolved < 3 inactive"]


def test_another_value_of_an_event_is_a_correction() -> None:
    assert corrected([0, 3, 3, 3], [0, 4, 3, 3]) == ["1 pending < 1 pending"]
    anything = ONE.replace("x > 2", "x")
    assert corrected([0.0, float("nan"), 3], [0.0, float("nan"), 3], anything) == []
    assert corrected([-0.0, 3, 3], [0.0, 3, 3], anything) == ["0 pending < 0 pending"]


def test_another_trace_alone_is_none() -> None:
    events = run(of([0, 3, 3, 3]), ONE)
    assert diff(events, [replace(each, trace=()) for each in events]) == []


def test_the_trace_is_made_of_what_is_sent_alone() -> None:
    """And of all of it at once, so that the alerts of a rule share what is read."""
    before, after = run(of([0, 3, 3, 3, 0, 0, 0, 3]), ONE), run(of([0, 3, 3, 3, 3, 0, 0, 3]), ONE)
    asked = []

    def traced(events: Sequence[AlertEvent]) -> list[AlertEvent]:
        asked.append([(each.evaluated_at // MINUTE, each.state.value) for each in events])
        return [event for event in after if event.id in {each.id for each in events}]

    untraced = [replace(each, trace=()) for each in after]
    assert diff(before, untraced, 7, traced) == diff(before, after, 7)
    assert asked == [[(5, "resolved")]]


def test_a_correction_is_marked_and_reads_like_the_event_that_was_due() -> None:
    due = run(of([0, 3, 3, 3, 0]), ONE)
    for event, wanted in zip(diff(run(of([0, 0, 3, 3, 3, 0]), ONE), due), due, strict=True):
        assert event.correction
        assert replace(event, id=wanted.id, correction=False, replaces=None) == wanted
        assert event.id != wanted.id


def test_what_was_missing_and_lost_its_place_may_be_missing_again() -> None:
    """The place of the first correction was taken by another event, so nothing is left to be replaced, as in the beginning."""
    none, late, early = (run(of(values), ONE) for values in ([0] * 10, [0] * 6 + [3, 0], [0] * 3 + [3, 0]))
    both = run(of([0] * 3 + [3, 0, 0, 3, 0]), ONE)
    history = History(none)
    for reported_ms, due in enumerate((late, early, both)):
        for each in diff(history.standing(), due, reported_ms):
            assert history.apply(each)
        assert [each.evaluated_at for each in history.events()] == [each.evaluated_at for each in due]


def test_there_and_back_again_is_reported_each_time() -> None:
    """The same correction a second time is no repetition of the first: consumers know events by their ids."""
    one, other = run(of([0, 3, 3, 3, 0]), ONE), run(of([0] * 10), ONE)
    history, ids = History(one), {each.id for each in one}
    for _ in range(3):
        for due in (other, one):
            found = diff(history.standing(), due)
            assert len(found) == 3
            assert not ids & {each.id for each in found}
            ids |= {each.id for each in found}
            assert [history.apply(each) for each in found] == [True] * 3
            assert plain(history.events()) == plain(due)


def test_the_last_word_counts_where_a_restarted_job_says_another() -> None:
    reported, lost, due = (
        run(of(values), ONE) for values in ([0, 0, 0, 3, 3, 3, 0], [0, 0, 3, 3, 3, 0], [0, 3, 3, 3, 0])
    )
    history = History([*reported, *diff(reported, lost), *diff(reported, due)])
    assert plain(history.events()) == plain(due)


def test_history_forgets() -> None:
    events = run(of([0, 3, 3, 3, 0]), ONE)
    history = History(events)
    history.forget(3 * MINUTE)
    assert history.standing() == events[1:]
    assert history.apply(events[0])


def plain(events: Sequence[AlertEvent]) -> list[bytes]:
    """Events without what reports corrections; the trace of an event that stands may be of an earlier evaluation."""
    return sorted(encode(replace(each, id="", correction=False, replaces=None, trace=())) for each in events)


values = st.one_of(st.none(), st.sampled_from([0.0, 1.0, 3.0, 4.0, float("nan")]))


@st.composite
def late(draw: st.DrawFn) -> tuple[Samples, list[Samples]]:
    """Samples in time, and batches of late ones, which may replace others, in any order."""
    keys = [(name, minute) for name in "12" for minute in range(LAST + 1)]
    cells = {key: value for key in keys if (value := draw(values)) is not None}
    delayed = draw(st.lists(st.sampled_from(keys), max_size=8, unique=True))
    batches = [
        {key: draw(values.filter(lambda value: value is not None)) for key in part}
        for part in (delayed[start : start + 3] for start in range(0, len(delayed), 3))
    ]
    return {key: value for key, value in cells.items() if key not in delayed}, batches


@settings(max_examples=120, deadline=None)
@given(late(), st.data())
def test_after_late_data_the_history_is_that_of_a_run_in_order(
    case: tuple[Samples, list[Samples]], data: st.DataObject
) -> None:
    samples, batches = case
    sent = run(samples)
    emitter = History(sent)
    for batch in batches:
        samples = {**samples, **batch}
        touched = min(minute for _, minute in batch) * MINUTE
        before = [each for each in emitter.standing() if each.evaluated_at >= touched]
        due = [each for each in run(samples) if each.evaluated_at >= touched]
        found = diff(before, due)
        assert [each.id for each in found] == [each.id for each in diff(reversed(before), reversed(due))]
        sent = sent + found
        emitter = History([decode(encode(each)) for each in emitter.standing()])
        for each in found:
            assert emitter.apply(each)
    assert len({each.id for each in sent}) == len(sent)
    assert plain(emitter.events()) == plain(run(samples))
    # At least once: what was sent since some moment is sent again, from there.
    again = data.draw(st.integers(0, len(sent)))
    until = data.draw(st.integers(again, len(sent)))
    reader = History([*sent[:until], *sent[again:]])
    assert not any(reader.apply(each) for each in data.draw(st.permutations(sent)))
    assert plain(reader.events()) == plain(run(samples))
    assert State.RETRACTED not in {each.state for each in reader.events()}


def test_a_retraction_says_what_it_takes_back_and_why() -> None:
    reported = run(of([0, 3, 3, 3]), ONE)
    found = [each for each in diff(reported, []) if each.evaluated_at == reported[0].evaluated_at]
    assert found == [
        replace(
            reported[0],
            id=retraction_id(reported[0].id),
            state=State.RETRACTED,
            reason="late_data",
            correction=True,
            replaces=reported[0].id,
            trace=(),
        )
    ]
    # It can be sent as it is.
    assert decode(encode(found[0])) == found[0]


def test_a_history_goes_on_from_its_bytes() -> None:
    reported = run(of([0, 3, 3, 3, 0, 0]), ONE)
    due = run(of([3, 3, 3, 3, 0, 0]), ONE)
    corrections = diff(reported, due, 7)
    history = History(reported)
    restored = History.from_bytes(history.to_bytes())
    assert restored.standing() == history.standing() != []
    # What is known is known, and what is replaced is found.
    assert [restored.apply(event) for event in reported] == [False] * len(reported)
    assert [restored.apply(event) for event in corrections] == [True] * len(corrections)
    again = History.from_bytes(restored.to_bytes())
    assert again.events() == History([*reported, *corrections]).events()
    assert [again.apply(event) for event in (*reported, *corrections)] == [False] * (len(reported) + len(corrections))
