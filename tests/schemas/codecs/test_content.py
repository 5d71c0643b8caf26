from __future__ import annotations

import gzip
import json

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codecs.block import BlockDecoder
from schemas.codecs.content import DOCUMENT, content_type_of_content
from schemas.codecs.line_syntax import Point, parse
from schemas.codecs.remote_write import encode_write_request
from schemas.records import JSON_SCRAPE, LINE_PROTOCOL, REMOTE_WRITE, RawRecord
from tests.schemas.rows import row, rows

NOW = 1_700_000_000_000
MARK = b"\xef\xbb\xbf"
LINE = b"cpu,host=web-1 usage=1 1700000000000000000"
SCRAPE = b'{"labels":{"host":"web-1"},"timestamp":1700000000000,"samples":{"cpu_usage":1}}'
REQUEST = encode_write_request([({"__name__": "cpu_usage", "host": "web-1"}, [(1.0, NOW)])])
PLAIN_REQUEST = bytes(cramjam.snappy.decompress_raw(REQUEST))
LONG_REQUEST = encode_write_request([({"__name__": "m", "i": str(number)}, [(1.0, NOW)]) for number in range(2000)])
# Version 2.0 begins with its symbols.
SECOND_REQUEST = bytes(cramjam.snappy.compress_raw(b"\x22\x00\x22\x08__name__"))


@pytest.mark.parametrize(
    ("value", "content_type"),
    [
        (LINE, LINE_PROTOCOL),
        (b"\n# comment\n" + LINE, LINE_PROTOCOL),
        (b"cpu,host=web-1 usage=", LINE_PROTOCOL),
        (b"not a metric", LINE_PROTOCOL),
        ("température,host=a value=1".encode(), LINE_PROTOCOL),
        (MARK + LINE, LINE_PROTOCOL),
        (b"[cpu],host=a value=1 1700000000000000000", LINE_PROTOCOL),
        (b"{cpu},host=a value=1\n", LINE_PROTOCOL),
        (b'm text="\x01\x00" 17', LINE_PROTOCOL),
        (SCRAPE, JSON_SCRAPE),
        (b"  \n" + SCRAPE + b"\n", JSON_SCRAPE),
        (MARK + SCRAPE, JSON_SCRAPE),
        (b"[]", JSON_SCRAPE),
        (SCRAPE[:40], JSON_SCRAPE),
        (b'{"text": "a=1', JSON_SCRAPE),
        (REQUEST, REMOTE_WRITE),
        (LONG_REQUEST, REMOTE_WRITE),
        (SECOND_REQUEST, REMOTE_WRITE),
        (b"\x00", REMOTE_WRITE),
        (b"", None),
        (b" \r\n", None),
        (MARK, None),
        (REQUEST[:-3], None),
        (PLAIN_REQUEST, None),
        (bytes(range(256)), None),
    ],
)
def test_content_says_the_format(value: bytes, content_type: str | None) -> None:
    assert content_type_of_content(value) == content_type


@pytest.mark.parametrize("value", [LINE, SCRAPE, REQUEST, MARK + LINE, MARK + SCRAPE])
def test_records_without_a_content_type_are_read_whatever_their_format(value: bytes) -> None:
    # Between others, which say theirs and which do not.
    records = [RawRecord(SCRAPE, 0, NOW, JSON_SCRAPE), RawRecord(value, 1, NOW), RawRecord(LINE, 2, NOW)]
    block = BlockDecoder().decode_block(records, "metrics.raw", 0)
    assert block.dead_letters == []
    assert rows(block.batch) == [row('{host="web-1"}', "cpu_usage", NOW, 1.0)] * 3


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (
            b"cpu,host=a value=1..5",
            "column 18: '1..5' is no value; write 1.5, 12i, 12u, true, or a string in double quotes",
        ),
        (SCRAPE[:-1], "not JSON: "),
    ],
)
def test_a_reason_says_what_a_record_was_taken_for(value: bytes, reason: str) -> None:
    (letter,) = BlockDecoder().decode_block([RawRecord(value, 0, NOW)], "t", 0).dead_letters
    name = "JSON" if value.startswith(b"{") else "line protocol"
    assert (letter.payload, letter.content_type) == (value, None)
    assert letter.reason.endswith(f" (without a content type, taken for {name})")
    assert reason.rpartition(":")[2] in letter.reason
    # Where the format was named there is nothing to say.
    named = LINE_PROTOCOL if name == "line protocol" else JSON_SCRAPE
    for decoder, record in (
        (BlockDecoder(default_content_type=named), RawRecord(value, 0, NOW)),
        (BlockDecoder(), RawRecord(value, 0, NOW, named)),
    ):
        assert "taken for" not in decoder.decode_block([record], "t", 0).dead_letters[0].reason


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (PLAIN_REQUEST, "protobuf that is not compressed"),
        (bytes(cramjam.zstd.compress(PLAIN_REQUEST)), "compressed with zstd"),
        (
            bytes(cramjam.snappy.compress(PLAIN_REQUEST)),
            "compressed with snappy's framing format, not its block format",
        ),
        (gzip.compress(PLAIN_REQUEST, mtime=0), "compressed with gzip"),
        (bytes(cramjam.lz4.compress(PLAIN_REQUEST)), "compressed with lz4"),
        (LINE.decode().encode("utf-16"), "text in UTF-16"),
        (LINE.decode().encode("utf-16-be"), "text in UTF-16"),
        ("é t=1".encode("latin-1"), "text that is not UTF-8"),
        (b"\x00\x01\x02\x03\x04\x05", "bytes of an unknown form"),
        (b" ", "the record is empty"),
    ],
)
def test_what_is_of_no_format_is_one_dead_letter_that_names_it(value: bytes, form: str) -> None:
    block = BlockDecoder().decode_block([RawRecord(value, 0, NOW)], "t", 0)
    assert (len(block.dead_letters), len(block.batch), block.records_ok) == (1, 0, 0)
    assert block.dead_letters[0].payload == value
    assert block.dead_letters[0].reason.startswith(form)


texts = st.text(alphabet='{}[]"\\ ,:=\n#a1.ui', max_size=12)


@given(st.one_of(texts, st.tuples(st.sampled_from(["{", "["]), texts, st.sampled_from(["}", "]", ""])).map("".join)))
def test_no_text_is_json_and_line_protocol(text: str) -> None:
    """Which is why what begins like JSON can be reported exactly."""
    lines = list(parse(text.encode()))
    try:
        is_json = isinstance(json.loads(text), (dict, list))
    except ValueError:
        is_json = False
    is_lines = bool(lines) and all(isinstance(line, Point) for line in lines)
    assert not (is_json and is_lines)
    if is_json or (is_lines and not DOCUMENT.match(text.encode())):
        assert content_type_of_content(text.encode()) == (JSON_SCRAPE if is_json else LINE_PROTOCOL)


@given(st.binary(max_size=40))
def test_any_bytes_are_one_record(value: bytes) -> None:
    block = BlockDecoder().decode_block([RawRecord(value, 0, NOW)], "t", 0)
    assert block.records_ok == (not block.dead_letters)


@pytest.mark.parametrize("content_type", [LINE_PROTOCOL, None])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_byte_order_mark_before_a_line_is_no_part_of_its_measurement(content_type: str | None, end: bytes) -> None:
    value = MARK + LINE + end + MARK + LINE.replace(b"1 17", b'1,s="a" 17') + end + LINE + end
    decoder = BlockDecoder()
    for _ in range(2):
        block = decoder.decode_block([RawRecord(value, 0, NOW, content_type)], "t", 0)
        assert block.dead_letters == []
        assert rows(block.batch) == [row('{host="web-1"}', "cpu_usage", NOW, 1.0)] * 3


@pytest.mark.parametrize(
    ("value", "content_type", "reason"),
    [
        (
            LINE.decode().encode("utf-16"),
            LINE_PROTOCOL,
            "text in UTF-16 (iconv -f UTF-16 -t UTF-8 makes UTF-8 of it): line protocol is text",
        ),
        (b"\n".join([LINE] * 2).decode().encode("utf-16-le"), LINE_PROTOCOL, "text in UTF-16"),
        (gzip.compress(LINE, mtime=0), LINE_PROTOCOL, "compressed with gzip: line protocol is text"),
        (SCRAPE.decode().encode("utf-16"), JSON_SCRAPE, "not JSON: text in UTF-16"),
        (MARK + SCRAPE[:-1], JSON_SCRAPE, "not JSON: "),
        (
            PLAIN_REQUEST,
            REMOTE_WRITE,
            "protobuf that is not compressed: remote write is protobuf in snappy's block format",
        ),
        (bytes(cramjam.zstd.compress(PLAIN_REQUEST)), REMOTE_WRITE, "compressed with zstd: remote write is"),
    ],
)
def test_another_form_than_a_record_says_is_one_dead_letter_that_names_it(
    value: bytes, content_type: str, reason: str
) -> None:
    (letter,) = BlockDecoder().decode_block([RawRecord(value, 0, NOW, content_type)], "t", 0).dead_letters
    assert (letter.payload, letter.line) == (value, None)
    assert letter.reason.startswith(reason)


def test_a_line_that_can_be_read_is_read_whatever_surrounds_it() -> None:
    value = b"\xff\xfe\n" + LINE + b"\n\xff"
    block = BlockDecoder().decode_block([RawRecord(value, 0, NOW, LINE_PROTOCOL)], "t", 0)
    assert ([letter.line for letter in block.dead_letters], len(block.batch)) == ([1, 3], 1)


def scrape(value: int) -> bytes:
    return SCRAPE.replace(b'usage":1', b'usage":%d' % value)


@pytest.mark.parametrize(
    ("value", "values", "bad"),
    [
        (scrape(1) + scrape(2), [1, 2], []),
        (MARK + scrape(1) + b"\n\n" + MARK + scrape(2), [1, 2], []),
        (b"[" + scrape(1) + b"," + scrape(2) + b"] " + scrape(3) + b"[]", [1, 2, 3], []),
        (scrape(1) + b'{"samples": 5}' + scrape(3), [1, 3], [(2, b'{"samples":5}')]),
        (scrape(1) + scrape(2) + b" x " + scrape(3), [1, 2], [(3, b"x " + scrape(3))]),
        (scrape(1) + scrape(2)[:-1], [1], [(2, scrape(2)[:-1])]),
        (scrape(1) + b"}", [1], [(2, b"}")]),
    ],
)
def test_documents_one_behind_the_other_are_an_array_of_them(
    value: bytes, values: list[float], bad: list[tuple[int, bytes]]
) -> None:
    block = BlockDecoder().decode_block([RawRecord(value, 0, NOW, JSON_SCRAPE)], "t", 0)
    assert block.batch.value.tolist() == values
    assert [(letter.line, letter.payload) for letter in block.dead_letters] == bad
