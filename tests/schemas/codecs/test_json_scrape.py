from __future__ import annotations

import importlib.resources
import math

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas.codecs.json_scrape
from schemas.batch import SampleBatch
from schemas.builder import BatchBuilder
from schemas.codecs.base import MAX_TS, DecodeError
from schemas.codecs.json_scrape import JsonScrapeCodec, encode_scrape
from schemas.series import metric_text, split_labels
from tests.schemas.rows import STALE_BITS, Row, bits, decode, labels, names, row, rows, times, values


def read(document: object, **times: int) -> list[Row]:
    data = document if isinstance(document, bytes) else orjson.dumps(document)
    builder = BatchBuilder()
    found, bad, _ = decode(JsonScrapeCodec(builder), builder, data, **times)
    assert bad == []
    return found


def reason(document: object, **times: int) -> str:
    builder = BatchBuilder()
    codec = JsonScrapeCodec(builder)
    with pytest.raises(DecodeError) as refused:
        codec.decode(document if isinstance(document, bytes) else orjson.dumps(document), **times)
    assert len(builder) == 0
    return str(refused.value)


def test_a_scrape() -> None:
    document = {
        "labels": {"job": "node", "host": "web-1"},
        "timestamp": 1_700_000_000_000,
        "samples": {'cpu_seconds_total{mode="idle"}': 12.5, "load1": 1},
    }
    assert read(document) == [
        row('{host="web-1",job="node"}', 'cpu_seconds_total{mode="idle"}', 1_700_000_000_000, 12.5),
        row('{host="web-1",job="node"}', "load1", 1_700_000_000_000, 1.0),
    ]


@pytest.mark.parametrize(
    ("labels", "key", "target", "metric"),
    [
        ({}, "up", "{}", "up"),
        ({}, 'up{b="2", a="1"}', "{}", 'up{a="1",b="2"}'),
        ({"host": "a"}, 'up{host="b"}', '{host="b"}', "up"),
        ({"host": "a", "job": "j"}, 'up{host="b",x="1"}', '{host="b",job="j"}', 'up{x="1"}'),
        ({"host": "a"}, 'up{host=""}', "{}", "up"),
        ({"host": ""}, "up", "{}", "up"),
        ({"version": "2"}, "up", "{}", 'up{version="2"}'),
        ({"version": "2"}, 'up{version="3"}', "{}", 'up{version="3"}'),
        ({"version": "2"}, 'up{version=""}', "{}", "up"),
    ],
)
def test_labels_go_to_their_part_and_those_of_the_key_win(
    labels: dict[str, str], key: str, target: str, metric: str
) -> None:
    document = {"labels": labels, "timestamp": 5, "samples": {"other": 0, key: 1}}
    assert read(document)[-1] == row(target, metric, 5, 1.0)


def test_moved_labels_leave_the_other_samples_alone() -> None:
    samples = {'up{host="b"}': 1, "load": 2, 'down{host="b"}': 3, 'up{host="c"}': "NaN"}
    assert sorted(read({"labels": {"host": "a"}, "timestamp": 5, "samples": samples})) == sorted(
        [
            row('{host="b"}', "up", 5, 1.0),
            row('{host="b"}', "down", 5, 3.0),
            row('{host="a"}', "load", 5, 2.0),
            row('{host="c"}', "up", 5, math.nan),
        ]
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"1", bits(1.0)),
        (b"-0.0", bits(-0.0)),
        (b"1e-400", bits(0.0)),
        (b"18446744073709551615", bits(float(2**64 - 1))),
        (b"123456789012345678901234567890", bits(1.2345678901234568e29)),
        (b'"+Inf"', bits(math.inf)),
        (b'"-Inf"', bits(-math.inf)),
        (b'"NaN"', bits(math.nan)),
        (b'"StaleNaN"', STALE_BITS),
    ],
)
def test_values(value: bytes, expected: int) -> None:
    assert [found.bits for found in read(b'{"timestamp": 1, "samples": {"a": %b}}' % value)] == [expected]


@pytest.mark.parametrize(
    ("document", "ts"), [({"samples": {"a": 1}}, 77), ({"timestamp": 5.0, "samples": {"a": 1}}, 5)]
)
def test_timestamps(document: object, ts: int) -> None:
    assert read(document, default_ts=77) == [row("{}", "a", ts, 1.0)]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b'{"samples": {"a": 1e999}}', "not JSON"),
        (b'{"samples": {"\\ud800": 1}}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"3", "a scrape document is wanted, an object, not 3"),
        (
            {"samples": {}, "lables": {}, "x": 1},
            'no such key in a scrape document: "lables", "x"; known: labels, samples',
        ),
        ({"timestamp": 1}, "samples: an object is wanted, not null"),
        ({"timestamp": 1, "samples": []}, "samples: an object is wanted, not an array"),
        ({"timestamp": 1, "samples": {"load1": True}}, 'samples["load1"]: a number is wanted, not true'),
        ({"timestamp": 1, "samples": {"load1": None}}, 'samples["load1"]: a number is wanted, not null'),
        ({"timestamp": 1, "samples": {"load1": "1"}}, 'samples["load1"]: a number is wanted, not "1"'),
        ({"timestamp": 1, "samples": {'a{x="1"}': {}}}, 'samples["a{x=\\"1\\"}"]: a number is wanted, not an object'),
        ({"timestamp": 1, "samples": {"a b": 1}}, 'samples["a b"]: column 3: the series should end here'),
        ({"timestamp": 1, "samples": {"a": "x" * 999}}, 'not "' + "x" * 199 + "..."),
        ({"timestamp": 1, "samples": {}, "labels": 1}, "labels: an object is wanted, not 1"),
        ({"timestamp": 1, "samples": {}, "labels": {"host": 1}}, 'labels["host"]: a string is wanted, not 1'),
        ({"timestamp": 1, "samples": {}, "labels": {"": "a"}}, "labels: a label needs a name"),
        ({"timestamp": 1, "samples": {}, "labels": {"__name__": "a"}}, "labels: __name__ does not belong here"),
        (b'{"samples": {}, "timestamp": 1, "labels": {"a": ' + b"[" * 900 + b"]" * 900 + b"}}", "labels: the value of"),
        ({"samples": {"a": 1}}, "timestamp: missing, and the record has no time of its own"),
        ({"timestamp": None, "samples": {}}, "timestamp: whole milliseconds since 1970 are wanted, not null"),
        ({"timestamp": True, "samples": {}}, "timestamp: whole milliseconds since 1970 are wanted, not true"),
        ({"timestamp": 1.5, "samples": {}}, "timestamp: whole milliseconds since 1970 are wanted, not 1.5"),
        ({"timestamp": -1, "samples": {}}, "timestamp: event time -1 ms lies before 1970"),
        ({"timestamp": MAX_TS + 1, "samples": {}}, "lies after the year 2262: check the unit"),
        (b'{"timestamp": 1e300, "samples": {}}', "lies after the year 2262: check the unit"),
    ],
)
def test_refuses_and_says_where(document: object, message: str) -> None:
    assert message in reason(document)


def test_a_time_beyond_the_latest_is_refused() -> None:
    assert read({"timestamp": 1000, "samples": {"a": 1}}, latest_ts=1000) == [row("{}", "a", 1000, 1.0)]
    text = reason({"timestamp": 1001, "samples": {"a": 1}}, latest_ts=1000)
    assert "event time 1001 ms (1970-01-01T00:00:01.001Z) lies too far in the future" in text
    assert "the latest allowed is 1000 ms" in text


def test_a_bad_document_of_an_array_leaves_its_neighbours() -> None:
    good = {"timestamp": 5, "samples": {"a": 1}}
    builder = BatchBuilder()
    array = [good, {"samples": {"a": "x"}}, good, 7, {"timestamp": 5, "samples": {"a": 2, "b": False}}]
    found, bad, _ = decode(JsonScrapeCodec(builder), builder, orjson.dumps(array))
    assert found == [row("{}", "a", 5, 1.0)] * 2
    assert [(line.line, line.text) for line in bad] == [(n + 1, orjson.dumps(array[n])) for n in (1, 3, 4)]
    assert 'samples["b"]: a number is wanted, not false' in bad[2].reason


def test_an_element_too_deep_to_be_written_again_is_reported_by_the_whole_record() -> None:
    builder = BatchBuilder()
    data = b'[{"samples": ' + b"[" * 900 + b"]" * 900 + b"}]"
    _, bad, _ = decode(JsonScrapeCodec(builder), builder, data)
    assert [(line.line, line.text) for line in bad] == [(1, data)]


def test_one_instance_keeps_documents_apart() -> None:
    """Caches are keyed by labels, keys and labels common to all samples: nothing of a document shows in the next."""
    builder = BatchBuilder()
    codec = JsonScrapeCodec(builder)
    documents = [
        {"labels": labels, "timestamp": 1, "samples": samples}
        for labels in ({"host": "a"}, {"host": "b"}, {"host": "a", "v": "1"}, {"v": "1"}, {}, {"host": "a", "v": "2"})
        for samples in ({"a": 1, "b": 2}, {"b": 1, "a": 2}, {"a": 1}, {'a{host="c"}': 1, "b": 2}, {})
    ]
    for _ in range(2):
        for document in documents:
            assert decode(codec, builder, orjson.dumps(document))[0] == read(document)


def test_the_caches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas.codecs.json_scrape, "CACHED_KEYS", 10)
    monkeypatch.setattr(schemas.codecs.json_scrape, "CACHED_TARGETS", 10)
    builder = BatchBuilder()
    codec = JsonScrapeCodec(builder)
    for number in range(100):
        document = {"labels": {"host": str(number)}, "timestamp": 1, "samples": {f"a{number}": 1, "b": 2, "c": 3}}
        assert decode(codec, builder, orjson.dumps(document))[0] == read(document)
        assert len(codec._targets) <= 10
        assert sum(map(len, codec._layouts)) <= 10
        assert len(codec._series) <= 10


@st.composite
def batches(draw: st.DrawFn) -> SampleBatch:
    series = draw(st.lists(st.tuples(names, labels), min_size=1, max_size=6))
    split = [(name, *split_labels(found)) for name, found in series]
    targets = list(dict.fromkeys(target for _, target, _ in split))
    metrics = list(dict.fromkeys(metric_text(name, rest) for name, _, rest in split))
    chosen = draw(st.lists(st.tuples(st.sampled_from(split), times, values, st.integers(0, 99)), max_size=12))
    return SampleBatch(
        targets=targets,
        metrics=metrics,
        target=np.array([targets.index(target) for (_, target, _), *_ in chosen], np.int32),
        metric=np.array([metrics.index(metric_text(name, rest)) for (name, _, rest), *_ in chosen], np.int32),
        ts=np.array([ts for _, ts, _, _ in chosen], np.int64),
        value=np.array([value for _, _, value, _ in chosen], np.float64),
        seq=np.array([seq for *_, seq in chosen], np.int64),
    )


@given(batches())
def test_encoded_scrapes_decode_to_the_same_samples(batch: SampleBatch) -> None:
    found = [sample for document in encode_scrape(batch) for sample in read(document)]
    assert sorted(found) == sorted(rows(batch))


@given(batches())
def test_samples_of_one_series_and_time_keep_their_order(batch: SampleBatch) -> None:
    found = [sample for document in encode_scrape(batch) for sample in read(document)]
    in_order = [rows(batch)[i] for i in np.argsort(batch.seq, kind="stable").tolist()]
    for series in {sample[:3] for sample in found}:
        assert [s for s in found if s[:3] == series] == [s for s in in_order if s[:3] == series]


def test_many_samples_of_one_series_and_time_come_in_order_of_their_seq() -> None:
    values = np.arange(60.0)
    seq = np.repeat([2, 1, 0], 20).astype(np.int64)
    zeros = np.zeros(60, np.int32)
    batch = SampleBatch(["{}"], ["up"], zeros, zeros, np.full(60, 5), values, seq)
    found = [sample.bits for document in encode_scrape(batch) for sample in read(document)]
    assert found == [bits(value) for value in (*range(40, 60), *range(20, 40), *range(20))]


def test_encoded_scrape_groups_by_target_and_time() -> None:
    document = b'{"labels":{"host":"a"},"timestamp":5,"samples":{"a":1.5,"b":"StaleNaN","c":"+Inf","d":"NaN"}}'
    builder = BatchBuilder()
    JsonScrapeCodec(builder).decode(document)
    assert list(encode_scrape(builder.build()[0])) == [document]


def test_the_schema_names_what_the_codec_accepts() -> None:
    schema = orjson.loads(importlib.resources.files("schemas.codecs").joinpath("scrape.schema.json").read_bytes())
    scrape = schema["$defs"]["scrape"]
    assert set(scrape["properties"]) == schemas.codecs.json_scrape._DOCUMENT_KEYS
    assert scrape["properties"]["timestamp"]["maximum"] == MAX_TS
    special = scrape["properties"]["samples"]["additionalProperties"]["oneOf"][1]["enum"]
    assert set(special) == set(schemas.codecs.json_scrape._SPECIAL)
    for example in schema["examples"]:
        assert len(read(example)) == len(example["samples"])
