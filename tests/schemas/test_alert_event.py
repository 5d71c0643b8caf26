"""Alert events: encoded and decoded without loss, of one mind with the JSON Schema, and refused with the name of the field."""

from __future__ import annotations

import importlib.resources
import math
from dataclasses import replace
from functools import cache
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from rules.evaluation.alerts import Reason
from schemas.alert_event import (
    MAX_TRACED_SERIES,
    MAX_TRACES,
    REASONS,
    AlertEvent,
    State,
    Trace,
    TracedSeries,
    decode,
    encode,
)
from schemas.strict_json import DocumentError, format_time

ID = "0123456789abcdef" * 2
EVENT = AlertEvent(
    id=ID,
    alert=ID[::-1],
    file="web.yml",
    group="web",
    rule="PoolLatencyHigh",
    labels={"alertname": "PoolLatencyHigh", "pool": "a"},
    annotations={"summary": "a answers in 0.13 s"},
    value=130.5,
    state=State.FIRING,
    reason="held",
    active_since=1_768_199_400_000,
    starts_at=1_768_199_700_000,
    ends_at=None,
    evaluated_at=1_768_199_700_000,
    trace=(Trace("latency", (TracedSeries({"__name__": "latency", "pool": "a"}, 1_768_199_699_250, 130.5),), 2),),
)


@cache
def schema() -> Draft202012Validator:
    document = orjson.loads(importlib.resources.files("schemas").joinpath("alert_event.schema.json").read_bytes())
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


def document(**changes: Any) -> dict[str, Any]:
    return {**orjson.loads(encode(EVENT)), **changes}


def test_the_document() -> None:
    assert document() == {
        "id": "0123456789abcdef0123456789abcdef",
        "alert": "fedcba9876543210fedcba9876543210",
        "file": "web.yml",
        "group": "web",
        "rule": "PoolLatencyHigh",
        "labels": {"alertname": "PoolLatencyHigh", "pool": "a"},
        "annotations": {"summary": "a answers in 0.13 s"},
        "value": 130.5,
        "state": "firing",
        "reason": "held",
        "activeSince": "2026-01-12T06:30:00.000Z",
        "startsAt": "2026-01-12T06:35:00.000Z",
        "endsAt": None,
        "evaluatedAt": "2026-01-12T06:35:00.000Z",
        "correction": False,
        "replaces": None,
        "trace": [
            {
                "selector": "latency",
                "series": [
                    {
                        "labels": {"__name__": "latency", "pool": "a"},
                        "time": "2026-01-12T06:34:59.250Z",
                        "value": 130.5,
                        "samples": 1,
                    }
                ],
                "omitted": 2,
            }
        ],
    }


def test_equal_events_have_equal_bytes() -> None:
    assert encode(replace(EVENT, labels=dict(reversed(EVENT.labels.items())))) == encode(EVENT)


@pytest.mark.parametrize(("value", "text"), [(math.nan, "NaN"), (math.inf, "+Inf"), (-math.inf, "-Inf")])
def test_what_is_not_finite_is_a_text(value: float, text: str) -> None:
    data = encode(replace(EVENT, value=value))
    assert orjson.loads(data)["value"] == text
    assert repr(decode(data).value) == repr(value)


ids = st.text("0123456789abcdef", min_size=32, max_size=32)
times = st.integers(-62_135_596_800_000, 253_402_300_799_999)
texts = st.dictionaries(st.text(), st.text(), max_size=3)
numbers = st.floats(allow_nan=False)
series = st.builds(TracedSeries, texts, times, numbers, st.integers(0, 1 << 40))
traces = st.builds(Trace, st.text(), st.lists(series, max_size=MAX_TRACED_SERIES).map(tuple), st.integers(0, 1_000_000))


@st.composite
def events(draw: st.DrawFn) -> AlertEvent:
    state = draw(st.sampled_from(State))
    started = {State.FIRING: times, State.RESOLVED: times, State.RETRACTED: st.none() | times}
    ended = {State.RESOLVED: times, State.INACTIVE: times, State.RETRACTED: st.none() | times}
    correction = state is State.RETRACTED or draw(st.booleans())
    replaced = ids if state is State.RETRACTED else st.none() | ids if correction else st.none()
    return AlertEvent(
        id=draw(ids),
        alert=draw(ids),
        file=draw(st.text()),
        group=draw(st.text()),
        rule=draw(st.text()),
        labels=draw(texts),
        annotations=draw(texts),
        value=draw(numbers),
        state=state,
        reason=draw(st.sampled_from(REASONS)),
        active_since=draw(times),
        starts_at=draw(started.get(state, st.none())),
        ends_at=draw(ended.get(state, st.none())),
        evaluated_at=draw(times),
        correction=correction,
        replaces=draw(replaced),
        trace=tuple(draw(st.lists(traces, max_size=MAX_TRACES))),
    )


@given(events())
def test_nothing_is_lost_and_the_schema_holds(event: AlertEvent) -> None:
    data = encode(event)
    assert decode(data) == event
    schema().validate(orjson.loads(data))


def changed_trace(**changes: Any) -> list[dict[str, Any]]:
    (trace,) = document()["trace"]
    return [{**trace, **changes}]


def changed_series(**changes: Any) -> list[dict[str, Any]]:
    (each,) = document()["trace"][0]["series"]
    return changed_trace(series=[{**each, **changes}])


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"id": "x"}, "id"),
    ({"id": ID.upper()}, "id"),
    ({"alert": 5}, "alert"),
    ({"file": None}, "file"),
    ({"labels": []}, "labels"),
    ({"labels": {"a": 1}}, "labels.a"),
    ({"annotations": None}, "annotations"),
    ({"value": "Inf"}, "value"),
    ({"value": True}, "value"),
    ({"value": None}, "value"),
    ({"state": "Firing"}, "state"),
    ({"state": []}, "state"),
    ({"reason": "because"}, "reason"),
    ({"activeSince": None}, "activeSince"),
    ({"activeSince": 1_768_199_400_000}, "activeSince"),
    ({"startsAt": "2026-01-12T06:35:00Z"}, "startsAt"),
    ({"startsAt": "2026-01-12T06:35:00.000+01:00"}, "startsAt"),
    ({"startsAt": None}, "startsAt"),
    ({"state": "pending"}, "startsAt"),
    ({"state": "resolved"}, "endsAt"),
    ({"state": "firing", "endsAt": "2026-01-12T06:35:00.000Z"}, "endsAt"),
    ({"state": "inactive", "startsAt": None}, "endsAt"),
    ({"state": "retracted", "correction": True}, "replaces"),
    ({"replaces": ID}, "replaces"),
    ({"correction": True, "replaces": "x"}, "replaces"),
    ({"correction": 1}, "correction"),
    ({"trace": {}}, "trace"),
    ({"trace": [None]}, "trace[0]"),
    ({"trace": changed_trace() * (MAX_TRACES + 1)}, "trace"),
    ({"trace": changed_trace(omitted=-1)}, "trace[0].omitted"),
    ({"trace": changed_trace(omitted=True)}, "trace[0].omitted"),
    ({"trace": changed_trace(selectors="x")}, "trace[0].selectors"),
    ({"trace": changed_trace(series=changed_series()[0]["series"] * (MAX_TRACED_SERIES + 1))}, "trace[0].series"),
    ({"trace": changed_series(value="1")}, "trace[0].series[0].value"),
    ({"trace": changed_series(time="now")}, "trace[0].series[0].time"),
    ({"trace": changed_series(labels={"a": None})}, "trace[0].series[0].labels.a"),
    ({"trace": changed_series(samples=0.5)}, "trace[0].series[0].samples"),
    ({"extra": 1}, "extra"),
]


@pytest.mark.parametrize(("changes", "field"), REFUSED)
def test_what_is_refused_is_named(changes: dict[str, Any], field: str) -> None:
    wrong = document(**changes)
    with pytest.raises(DocumentError) as caught:
        decode(orjson.dumps(wrong))
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")
    assert not schema().is_valid(wrong)


def test_a_time_that_no_calendar_has_is_refused() -> None:
    with pytest.raises(DocumentError, match="evaluatedAt"):
        decode(orjson.dumps(document(evaluatedAt="2026-02-30T00:00:00.000Z")))


@pytest.mark.parametrize("name", sorted(document()))
def test_no_field_may_be_missing(name: str) -> None:
    rest = document()
    del rest[name]
    with pytest.raises(DocumentError, match="is missing") as caught:
        decode(orjson.dumps(rest))
    assert caught.value.field == name
    assert not schema().is_valid(rest)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'"text"', b"5", b"\xff"])
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError) as caught:
        decode(data)
    assert caught.value.field == ""


def fault(document: dict[str, Any]) -> str | None:
    """The field that a document is refused for."""
    try:
        decode(orjson.dumps(document))
    except DocumentError as error:
        return error.field
    return None


@given(st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(), st.lists))
def test_any_value_of_any_field_is_taken_or_refused_with_its_name(value: Any) -> None:
    for name in document():
        wrong = document(**{name: value})
        found = fault(wrong)
        assert schema().is_valid(wrong) == (found is None)
        assert found is None or found.partition("[")[0] in (name, "startsAt", "endsAt", "replaces")


def test_a_time_beyond_the_calendar_has_no_text() -> None:
    with pytest.raises(ValueError, match="outside the years"):
        format_time(1 << 62)


def test_every_reason_of_the_state_machine_has_its_name() -> None:
    assert [each.name.lower() for each in Reason] + ["late_data"] == list(REASONS)


def test_the_schema_describes_every_field() -> None:
    whole = schema().schema
    assert list(whole["properties"]) == whole["required"] == list(document())
    assert whole["properties"]["state"]["enum"] == [each.value for each in State]
    assert whole["properties"]["reason"]["enum"] == list(REASONS)
    assert whole["properties"]["trace"]["maxItems"] == MAX_TRACES
    assert whole["$defs"]["trace"]["properties"]["series"]["maxItems"] == MAX_TRACED_SERIES
    for owner in [whole, *whole["$defs"].values()]:
        for name, each in owner.get("properties", {}).items():
            assert "description" in each, name
