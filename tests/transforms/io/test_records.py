from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from schemas import batch as batches
from schemas.alert_event import decode, encode
from schemas.builder import BatchBuilder
from schemas.codecs.json_scrape import JsonScrapeCodec
from schemas.records import DeadLetter
from schemas.strict_json import DocumentError
from tests.transforms.io.sink_cases import WINDOW, alert_event, samples, series
from transforms.io.records import alert_event_records, dead_letter_records, late_records, shortened


@pytest.mark.parametrize(("line", "key"), [(None, b"metrics.raw:3:17"), (5, b"metrics.raw:3:17:5")])
def test_a_dead_letter_is_recognised_by_its_key(line: int | None, key: bytes) -> None:
    letter = DeadLetter("no such field: naïve", "metrics.raw", 3, 17, b"\xff\x00", "application/json", line)
    (record,) = dead_letter_records(letter.encode())
    assert record.key == key
    assert DeadLetter.decode(record.value) == letter
    assert dict(record.headers) == {
        "reason": "no such field: naïve".encode(),
        "content-type": b"application/vnd.tidemark.dead-letter+json",
    }
    assert b"\n" not in record.value


def test_late_samples_are_scrape_documents_that_decode_to_the_same_samples() -> None:
    rows = [
        (series("a", "up"), WINDOW, 1.5, 4),
        (series("a", "disk", path='/"x"\n'), WINDOW, -0.0, 5),
        (series("b", "up"), WINDOW, math.inf, 6),
        (series("a", "up"), WINDOW + 1, 2.5, 7),
    ]
    records = list(late_records(batches.encode(samples(rows))))
    assert len(records) == 3
    assert {record.headers for record in records} == {(("content-type", b"application/json"),)}
    builder = BatchBuilder()
    codec = JsonScrapeCodec(builder)
    for record in records:
        assert b"\n" not in record.value
        assert codec.decode(record.value) == []
    back, _ = builder.build()
    found = zip(back.target.tolist(), back.metric.tolist(), back.ts.tolist(), back.value.tolist(), strict=True)
    assert {((back.targets[t], back.metrics[m]), ts, value) for t, m, ts, value in found} == {row[:3] for row in rows}
    assert np.signbit(back.value[back.value == 0]).all()


def test_a_long_payload_is_cut_and_says_so() -> None:
    letter = DeadLetter("bad", "t", 0, 1, b"x" * 100)
    (record,) = dead_letter_records(letter.encode())
    short = shortened(record, 10)
    assert short is not None
    assert short.key == record.key
    assert DeadLetter.decode(short.value) == DeadLetter(
        "bad (payload cut: the first 10 of 100 bytes)", "t", 0, 1, b"x" * 10
    )
    assert shortened(short, 10) is None


def test_late_samples_are_never_cut() -> None:
    (record,) = late_records(batches.encode(samples([(series("a", "up"), WINDOW, 1.5, 4)])))
    assert shortened(record, 1) is None


def test_an_alert_event_is_keyed_by_its_alert() -> None:
    event = alert_event()
    (record,) = alert_event_records(encode(event))
    assert record.key == event.alert.encode()
    assert record.value == encode(event)
    assert record.headers == (("content-type", b"application/vnd.tidemark.alert-event+json"),)
    assert b"\n" not in record.value


def test_an_alert_event_is_shortened_by_its_trace_and_its_annotations() -> None:
    event = alert_event(annotations={"summary": "ü" * 50, "runbook": "short"})
    (record,) = alert_event_records(encode(event))
    short = shortened(record, 30)
    assert short is not None
    assert (short.key, short.headers) == (record.key, record.headers)
    annotations = {"summary": f"{'ü' * 7} (cut: the first 15 of 100 bytes)", "runbook": "short"}
    assert decode(short.value) == replace(event, trace=(), annotations=annotations)


@pytest.mark.parametrize(("most", "cut"), [(10, False), (9, True)])
def test_one_annotation_has_all_the_room_to_the_last_byte(most: int, cut: bool) -> None:
    (record,) = alert_event_records(encode(alert_event(annotations={"summary": "x" * 10})))
    short = shortened(record, most)
    assert short is not None
    assert decode(short.value).annotations == {
        "summary": "xxxxxxxxx (cut: the first 9 of 10 bytes)" if cut else "x" * 10
    }


def test_an_alert_event_that_is_short_already_stays() -> None:
    (record,) = alert_event_records(encode(alert_event(trace=())))
    assert shortened(record, 100) is None


def test_what_is_no_alert_event_is_refused() -> None:
    with pytest.raises(DocumentError, match="id"):
        list(alert_event_records(b"{}"))


def test_what_is_no_dead_letter_is_refused() -> None:
    element: Any = json.dumps({"reason": "x"}).encode()
    with pytest.raises((KeyError, TypeError, ValueError)):
        list(dead_letter_records(element))
