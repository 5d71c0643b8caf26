from __future__ import annotations

import base64

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.batch import sequence
from schemas.codecs import MAX_TS, BlockDecoder, media_type
from schemas.codecs.content import unknown_content
from schemas.codecs.remote_write import encode_write_request
from schemas.records import JSON_SCRAPE, LINE_PROTOCOL, REMOTE_WRITE, DeadLetter, RawRecord
from schemas.units import Precision
from tests.schemas.rows import row, rows

NOW = 1_700_000_000_000
SCRAPE = orjson.dumps({"labels": {"host": "a"}, "timestamp": NOW, "samples": {"up": 1, "load1": 0.5}})
LINES = f'm,host=a v=1,s="x" {NOW}000000\nbad\nm,host=a v=2 {NOW}000000\n'.encode()
REQUEST = encode_write_request([({"__name__": "up", "host": "a"}, [(1.0, NOW)]), ({"host": "a"}, [(1.0, NOW)])])


def test_a_block_of_all_formats() -> None:
    records = [
        RawRecord(SCRAPE, 10),
        RawRecord(LINES, 11, content_type=LINE_PROTOCOL),
        RawRecord(b"no json", 12, content_type="Application/JSON; charset=utf-8"),
        RawRecord(REQUEST, 13, content_type=REMOTE_WRITE),
        RawRecord(SCRAPE, 15, content_type=" application/json ;x=y"),
        RawRecord(SCRAPE, 16, content_type="text/plain"),
    ]
    block = BlockDecoder().decode_block(records, "metrics.raw", 3)
    scrape = [row('{host="a"}', "up", NOW, 1.0), row('{host="a"}', "load1", NOW, 0.5)]
    lines = [row('{host="a"}', "m_v", NOW, 1.0), row('{host="a"}', "m_v", NOW, 2.0)]
    assert rows(block.batch) == [*scrape, *lines, row('{host="a"}', "up", NOW, 1.0), *scrape]
    assert block.record.tolist() == [0, 0, 1, 1, 3, 4, 4]
    assert block.batch.seq.tolist() == [sequence(3, records[i].offset) for i in block.record]
    assert (block.records_ok, block.skipped) == (2, 1)

    where = ("metrics.raw", 3)
    assert [(d.topic, d.partition, d.offset, d.line, d.content_type) for d in block.dead_letters] == [
        (*where, 11, 2, LINE_PROTOCOL),
        (*where, 12, None, "Application/JSON; charset=utf-8"),
        (*where, 13, 2, REMOTE_WRITE),
        (*where, 16, None, "text/plain"),
    ]
    assert [d.payload for d in block.dead_letters[:2]] == [b"bad", b"no json"]
    assert block.dead_letters[3] == DeadLetter(
        "no codec for content type 'text/plain'; known: application/json, application/vnd.influx.line-protocol, "
        "application/x-protobuf",
        *where,
        16,
        SCRAPE,
        "text/plain",
    )


def test_an_empty_block() -> None:
    block = BlockDecoder().decode_block([], "t", 0)
    assert (len(block.batch), block.records_ok, block.dead_letters, block.skipped) == (0, 0, [], 0)


def test_blocks_do_not_show_in_each_other() -> None:
    decoder = BlockDecoder(default_content_type=LINE_PROTOCOL)
    first = decoder.decode_block([RawRecord(LINES, 1)], "t", 0)
    second = decoder.decode_block([RawRecord(LINES, 2)], "t", 1)
    assert rows(first.batch) == rows(second.batch)
    assert (first.skipped, second.skipped, len(second.dead_letters)) == (1, 1, 1)
    assert second.batch.seq.tolist() == [sequence(1, 2)] * 2


def test_options_reach_the_codecs() -> None:
    decoder = BlockDecoder(
        target_labels=frozenset({"rack"}), default_content_type="Application/vnd.influx.line-protocol", precision="s"
    )
    block = decoder.decode_block([RawRecord(b"m,rack=r,host=a v=1 5", 1)], "t", 0)
    assert rows(block.batch) == [row('{rack="r"}', 'm_v{host="a"}', 5000, 1.0)]


@pytest.mark.parametrize(("precision", "taken_for"), [("s", "JSON"), ("ns", "line protocol")])
def test_what_a_record_without_a_content_type_was_taken_for_depends_on_the_precision(
    precision: Precision, taken_for: str
) -> None:
    """A timestamp of so many seconds is none, so the text is no line."""
    records = [RawRecord(b"[a v=1 99999999999\n" + b"[b __name__=1", 1), RawRecord(b"[a v=1 99999999999\n", 1, NOW)]
    block = BlockDecoder(precision=precision).decode_block(records, "t", 0)
    assert block.dead_letters
    assert {letter.reason.partition("(without a content type, ")[2] for letter in block.dead_letters} == {
        f"taken for {taken_for})"
    }


def test_a_record_of_no_format_was_taken_for_none() -> None:
    (letter,) = BlockDecoder().decode_block([RawRecord(b"\x00\xff", 1)], "t", 0).dead_letters
    assert letter.reason == unknown_content(b"\x00\xff")


def test_an_unknown_default_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="no codec for content type 'text/csv'; known: application/json"):
        BlockDecoder(default_content_type="text/csv")


@pytest.mark.parametrize(
    ("header", "media"), [("application/json", "application/json"), (" A/B ; q=1", "a/b"), ("", ""), (";", "")]
)
def test_media_type(header: str, media: str) -> None:
    assert media_type(header) == media


def scrape_at(ts: int) -> bytes:
    return orjson.dumps({"timestamp": ts, "samples": {"up": 1}})


@pytest.mark.parametrize(
    ("own_ts", "ts", "max_future_ms", "taken"),
    [
        (NOW, NOW + 600_000, 600_000, True),
        (NOW, NOW + 600_001, 600_000, False),
        (NOW, NOW - 10 * 365 * 86_400_000, 600_000, True),
        (-1, NOW + 10 * 365 * 86_400_000, 600_000, True),
        (NOW, NOW + 10 * 365 * 86_400_000, None, True),
        (NOW, NOW + 1, 0, False),
        (1 << 62, NOW, 600_000, True),
    ],
)
@pytest.mark.parametrize("content_type", [JSON_SCRAPE, LINE_PROTOCOL, REMOTE_WRITE])
def test_times_are_bound_by_the_records_own(
    own_ts: int, ts: int, max_future_ms: int | None, taken: bool, content_type: str
) -> None:
    value = {
        JSON_SCRAPE: scrape_at(ts),
        LINE_PROTOCOL: f"up value=1 {ts}000000".encode(),
        REMOTE_WRITE: encode_write_request([({"__name__": "up"}, [(1.0, ts)])]),
    }[content_type]
    decoder = BlockDecoder(max_future_ms=max_future_ms)
    for _ in range(2):
        block = decoder.decode_block([RawRecord(value, 1, own_ts, content_type)], "t", 0)
        assert rows(block.batch) == ([row("{}", "up", ts, 1.0)] if taken else [])
        assert [("too far in the future" in d.reason) for d in block.dead_letters] == ([] if taken else [True])


@pytest.mark.parametrize(
    ("own_ts", "ts", "max_future_ms", "taken"),
    [
        (-1, NOW + 600_000, 600_000, True),
        (-1, NOW + 600_001, 600_000, False),
        (-1, NOW + 10 * 365 * 86_400_000, None, True),
        (NOW - 86_400_000, NOW - 86_400_000 + 600_000, 600_000, True),
        (NOW - 86_400_000, NOW - 86_400_000 + 600_001, 600_000, False),
        # The clock of a broker or a producer may be a little ahead of the reader's.
        (NOW + 600_000, NOW + 1_200_000, 600_000, True),
        (NOW + 600_001, NOW + 600_001, 600_000, False),
        (NOW + 600_001, NOW + 600_000, 600_000, True),
    ],
)
def test_the_time_of_reading_bounds_records_without_a_time_of_their_own_or_with_one_of_the_future(
    own_ts: int, ts: int, max_future_ms: int | None, taken: bool
) -> None:
    decoder = BlockDecoder(max_future_ms=max_future_ms)
    block = decoder.decode_block([RawRecord(scrape_at(ts), 1, own_ts)], "t", 0, NOW)
    assert rows(block.batch) == ([row("{}", "up", ts, 1.0)] if taken else [])
    assert [("too far in the future" in d.reason) for d in block.dead_letters] == ([] if taken else [True])


def test_a_sample_without_a_time_does_not_take_a_records_time_of_the_future() -> None:
    block = BlockDecoder().decode_block([RawRecord(b'{"samples": {"up": 1}}', 1, NOW + 86_400_000)], "t", 0, NOW)
    assert ["too far in the future" in letter.reason for letter in block.dead_letters] == [True]


def test_no_record_timestamp_lets_times_past_the_end_of_64_bit_nanoseconds() -> None:
    records = [RawRecord(scrape_at(MAX_TS), 1, 1 << 62), RawRecord(scrape_at(MAX_TS + 1), 2, 1 << 62)]
    block = BlockDecoder(max_future_ms=1 << 70).decode_block(records, "t", 0)
    assert rows(block.batch) == [row("{}", "up", MAX_TS, 1.0)]
    assert ["after the year 2262" in letter.reason for letter in block.dead_letters] == [True]


def test_samples_without_a_time_take_the_records() -> None:
    records = [RawRecord(b'{"samples": {"up": 1}}', 1, NOW), RawRecord(b"up value=1", 2, NOW, LINE_PROTOCOL)]
    assert rows(BlockDecoder().decode_block(records, "t", 0).batch) == [row("{}", "up", NOW, 1.0)] * 2


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from([SCRAPE, b"[" + SCRAPE + b"]", LINES, REQUEST])))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        gone = draw(st.integers(0, 3))
        data[at : at + gone] = draw(
            st.binary(max_size=3)
            | st.sampled_from(
                [b"1e999", b"\\ud800", b"\xed\xa0\x80", b"\x00", b'"', b"[" * 2000, b"9" * 5000, b"-", b"\n", b"null"]
            )
        )
    return bytes(data)


headers = st.sampled_from([None, JSON_SCRAPE, LINE_PROTOCOL, REMOTE_WRITE, "text/plain", "", "\x00", "\udcff"])
records = st.builds(
    RawRecord,
    value=st.binary(max_size=40) | mutated(),
    offset=st.integers(0, 1 << 40),
    timestamp_ms=st.integers(-1, 1 << 62),
    content_type=headers,
)


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.lists(records, max_size=4), max_size=3))
def test_no_bytes_at_all_make_it_raise_and_every_record_has_a_fate(blocks: list[list[RawRecord]]) -> None:
    decoder = BlockDecoder()
    for block in blocks:
        decoded = decoder.decode_block(block, "t", 1)
        dead = {letter.offset for letter in decoded.dead_letters}
        alive = [record for record in block if record.offset not in dead]
        assert decoded.records_ok >= len(alive)
        assert len(decoded.batch) == len(decoded.record) == len(decoded.batch.seq)
        assert ((decoded.batch.ts >= 0) & (decoded.batch.ts < 1 << 44)).all()
        whole = [letter for letter in decoded.dead_letters if letter.line is None]
        assert all(letter.payload in {record.value for record in block} for letter in whole)


@given(st.binary(max_size=30))
def test_dead_letters_can_be_written(payload: bytes) -> None:
    block = BlockDecoder().decode_block([RawRecord(payload, 1, content_type="x/y")], "t", 0)
    (letter,) = block.dead_letters
    assert base64.b64decode(orjson.loads(letter.encode())["payload"]) == payload
