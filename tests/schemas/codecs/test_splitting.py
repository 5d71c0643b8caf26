from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codecs import splitting
from schemas.codecs.block import BlockDecoder
from schemas.codecs.signatures import BYTE_ORDER_MARK
from schemas.codecs.splitting import TooLong, splitter
from schemas.records import JSON_SCRAPE, LINE_PROTOCOL, RawRecord
from tests.schemas.rows import rows

Found = list[tuple[int, bytes]]


def split(text: bytes, content_type: str | None, cuts: Sequence[int] = ()) -> Found:
    """Records with the number of their first line; the lines are handed over in several calls, cut where ``cuts`` says."""
    lines = text.split(b"\n")
    splitting = splitter(content_type, text)
    ends = sorted({0, len(lines), *(min(cut, len(lines)) for cut in cuts)})
    found: list[RawRecord] = []
    for start, end in pairwise(ends):
        found += splitting.push(b"\n".join(lines[start:end]))
    found += splitting.finish()
    assert {(each.content_type, each.timestamp_ms) for each in found} <= {(content_type, -1)}
    return [(each.offset, each.value) for each in found]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"a v=1\nb v=2\n", [(0, b"a v=1"), (1, b"b v=2")]),
        (b"a v=1\r\n\r\n  \nb v=2", [(0, b"a v=1"), (3, b"b v=2")]),
        # Of two carriage returns one is no part of the end.
        (b"a v=1\r\r\nb v=2", [(0, b"a v=1\r\r"), (1, b"b v=2")]),
        # Ends of lines inside strings are none.
        (b'a s="x\ny",v=1\nb v=2', [(0, b'a s="x\ny",v=1'), (2, b"b v=2")]),
        (b'a s="x\r\ny"\r\nb v=2', [(0, b'a s="x\r\ny"'), (2, b"b v=2")]),
        (b'a s="x\n\ny",t="\nz\n" 5\nb v=2', [(0, b'a s="x\n\ny",t="\nz\n" 5'), (5, b"b v=2")]),
        (b'a s="x\nb v=2\nc v=3" 5', [(0, b'a s="x\nb v=2\nc v=3" 5')]),
        # Escaped quotes end no string; of two backslashes none escapes.
        (b'a s="x\\"\ny\\\\"\nb v=2', [(0, b'a s="x\\"\ny\\\\"'), (2, b"b v=2")]),
        (b'a s="x\\\n" 5\nb v=2', [(0, b'a s="x\\\n" 5'), (2, b"b v=2")]),
        # Quotes of measurements, tags, keys and comments open no string.
        (b'a"b,t="x v=1\nb v=2', [(0, b'a"b,t="x v=1'), (1, b"b v=2")]),
        (b'a k"=1\nb v=2', [(0, b'a k"=1'), (1, b"b v=2")]),
        (b'# say "so\nb v=2', [(0, b'# say "so'), (1, b"b v=2")]),
        (b'a,t=x\\ s="y v=1\nb v=2', [(0, b'a,t=x\\ s="y v=1'), (1, b"b v=2")]),
        # Two quotes, of which the second opens the string.
        (b'a k"x="y\nz"\nb v=2', [(0, b'a k"x="y\nz"'), (2, b"b v=2")]),
        (b'm,h="a b=" 1\nc" 5\nb v=2', [(0, b'm,h="a b=" 1\nc" 5'), (2, b"b v=2")]),
        (b'm a=b="x,c="y\nz"\nb v=2', [(0, b'm a=b="x,c="y\nz"'), (2, b"b v=2")]),
        # A string that is never closed ends with its line.
        (b'a s="x\nb v=2\nc v=3', [(0, b'a s="x'), (1, b"b v=2"), (2, b"c v=3")]),
        (b'a s="x\ny",t="z\nb v=2', [(0, b'a s="x\ny",t="z'), (2, b"b v=2")]),
        (b'a s="x\nx\ny",t="z\nb v=2', [(0, b'a s="x\nx\ny",t="z'), (3, b"b v=2")]),
        (b'a s="x\ny",t="z\nw",u="v\nb v=2', [(0, b'a s="x\ny",t="z\nw",u="v'), (3, b"b v=2")]),
        (b'a s="x\nb s=""" v=2\nc v=3', [(0, b'a s="x\nb s=""" v=2'), (2, b"c v=3")]),
        # What is wrong in a line ends with it.
        (b'a v= s="x\nb v=2', [(0, b'a v= s="x'), (1, b"b v=2")]),
        (b'a s="x\ny"z\nb v=2', [(0, b'a s="x\ny"z'), (2, b"b v=2")]),
    ],
)
@pytest.mark.parametrize("cuts", [(), (1,), (1, 2, 3, 4, 5, 6)])
def test_a_logical_line_is_a_record(text: bytes, wanted: Found, cuts: Sequence[int]) -> None:
    assert split(text, LINE_PROTOCOL, cuts) == wanted


A, B = b'{"samples": {"m{a=\\"}\\"}": 1}}', b'{"samples":{}}'
PRETTY = b'{\n  "labels": {"a": "{"},\n\n  "samples": {\n    "m": 1\n  }\n}'
ARRAY = b"[\n" + A + b",\n" + B + b"\n]"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (A + b"\n" + B + b"\n", [(0, A), (1, B)]),
        (A + b"\r\n\r\n" + B, [(0, A), (2, B)]),
        (b"\n\n\n" + A + b"\r\n" + B, [(3, A), (4, B)]),
        (BYTE_ORDER_MARK + PRETTY, [(0, PRETTY)]),
        (PRETTY + b"\n" + A + b"\n" + PRETTY, [(0, PRETTY), (7, A), (8, PRETTY)]),
        (ARRAY + b"\n" + ARRAY, [(0, ARRAY), (4, ARRAY)]),
        (A + b"\n\n" + ARRAY + b"\n\n\n" + B, [(0, A), (2, ARRAY), (8, B)]),
        # No newline between them, as where files without a last one were joined; of a line the codec makes several.
        (A + B + b"\n" + A, [(0, A + B), (1, A)]),
        (PRETTY + PRETTY + PRETTY, [(0, PRETTY), (6, PRETTY), (12, PRETTY)]),
        (b'{"m": "}{"}\n' + A, [(0, b'{"m": "}{"}'), (1, A)]),
        # What is damaged does not take its neighbours along.
        (A + b'\n{"labels": {"ho\n' + B + b"\n" + A, [(0, A), (1, b'{"labels": {"ho'), (2, B), (3, A)]),
        (A + b'\n{"labels": {"a": 1}\n' + B, [(0, A), (1, b'{"labels": {"a": 1}'), (2, B)]),
        (A + b"\nnot json\nnor this\n" + B, [(0, A), (1, b"not json"), (2, b"nor this"), (3, B)]),
        (A + b"\n" + PRETTY[:-9] + b"\n" + B + b"\n" + A, [(0, A), (1, PRETTY[:-9]), (6, B), (7, A)]),
        (b'{"a": [1,\n 2\nnot json\n' + B, [(0, b'{"a": [1,\n 2'), (2, b"not json"), (3, B)]),
        (b'{"a": [1,\n' + BYTE_ORDER_MARK + B, [(0, b'{"a": [1,'), (1, B)]),
        (b'{"a": [1, \r\n\r\n', [(0, b'{"a": [1, ')]),
        (b"not json \r\nnor X\n" + B, [(0, b"not json "), (1, b"nor X"), (2, B)]),
        (b'{"a": [X\n\n', [(0, b'{"a": [X')]),
        (A + b"]\n" + B, [(0, A + b"]"), (1, B)]),
        (A + b",\n" + B, [(0, A), (0, b","), (1, B)]),
        (b"42\n" + B, [(0, b"42"), (1, B)]),
        (b"", []),
        (b" \n\t\n", []),
    ],
)
@pytest.mark.parametrize("cuts", [(), (1,), (1, 2, 3, 4, 5, 6, 7, 8, 9)])
def test_a_document_is_a_record(text: bytes, wanted: Found, cuts: Sequence[int]) -> None:
    assert split(text, JSON_SCRAPE, cuts) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b'\n# c\na s="x\ny"\n' + A, [(1, b"# c"), (2, b'a s="x\ny"'), (4, A)]),
        (b"\n" + PRETTY + b"\na v=1\nb v=2\n" + A, [(1, PRETTY), (8, b"a v=1"), (9, b"b v=2"), (10, A)]),
        (b'[cpu] v=1\na s="x\ny"', [(0, b"[cpu] v=1"), (1, b'a s="x\ny"')]),
        (b'{ "labels":\n{}, "samples": {}}\n' + A, [(0, b'{ "labels":\n{}, "samples": {}}'), (2, A)]),
        # Comments do not count, nor does what stands before the first sign of a line.
        (b"# c\n  # d\n" + PRETTY, [(0, b"# c"), (1, b"  # d"), (2, PRETTY)]),
        (BYTE_ORDER_MARK + b"# c\n" + PRETTY, [(0, BYTE_ORDER_MARK + b"# c"), (1, PRETTY)]),
        # An array of numbers is no scrape, and is one record all the same.
        (b"[1,\n2]", [(0, b"[1,\n2]")]),
        (b"  [1,\n2]", [(0, b"  [1,\n2]")]),
        (BYTE_ORDER_MARK + b"[1,\n2]", [(0, b"[1,\n2]")]),
    ],
)
def test_without_a_format_the_first_line_says_it(text: bytes, wanted: Found) -> None:
    assert split(text, None) == wanted


def test_a_text_that_begins_with_comments_alone_is_line_protocol() -> None:
    taken = splitter(None, b"\n# c")
    assert [each.value for each in [*taken.push(b'\n# c\nm s="a\nb",v=1'), *taken.finish()]] == [
        b"# c",
        b'm s="a\nb",v=1',
    ]


lines = st.lists(
    st.text(alphabet='ab "\\,=#1\r', max_size=9).map(lambda text: f"m f={text}" if len(text) % 2 else text), max_size=8
).map("\n".join)


@given(lines, st.lists(st.integers(1, 8)))
def test_lines_split_are_lines_read_as_one(text: str, cuts: list[int]) -> None:
    """Whatever the lines, their records hold the samples and the refusals that the whole text has as one record, in its order."""
    decoder = BlockDecoder()
    split_up = [RawRecord(value, line, 5, LINE_PROTOCOL) for line, value in split(text.encode(), LINE_PROTOCOL, cuts)]
    apart = decoder.decode_block(split_up, "t", 0)
    whole = decoder.decode_block([RawRecord(text.encode(), 0, 5, LINE_PROTOCOL)], "t", 0)
    assert rows(apart.batch) == rows(whole.batch)
    assert [(each.offset + (each.line or 0), each.payload.rstrip(b"\r")) for each in apart.dead_letters] == [
        (each.line, each.payload.rstrip(b"\r")) for each in whole.dead_letters if each.payload.strip()
    ]


documents = st.recursive(
    st.one_of(st.integers(), st.text(alphabet='a{}[]",\n\\', max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(alphabet="a}{", max_size=2), inner, max_size=3)
    ),
).filter(lambda document: isinstance(document, (list, dict)))


@given(st.lists(st.tuples(documents, st.sampled_from([None, 0, 1, 4])), max_size=5), st.lists(st.integers(1, 30)))
def test_documents_are_found_however_they_are_laid_out(
    wanted: list[tuple[object, int | None]], cuts: list[int]
) -> None:
    text = "\n".join(json.dumps(document, indent=indent) for document, indent in wanted)
    assert [json.loads(value) for _, value in split(text.encode(), JSON_SCRAPE, cuts)] == [each for each, _ in wanted]


def test_a_document_without_an_end_is_refused_and_those_before_it_are_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "MAX_RECORD_BYTES", 100)
    text = b"\n".join([B, b"[", *[B + b","] * 20])
    with pytest.raises(TooLong, match="the JSON document that begins here is longer than") as raised:
        splitter(JSON_SCRAPE, text).push(text)
    assert (raised.value.line, [each.value for each in raised.value.records]) == (1, [B])


OF_20_BYTES = b'{"samples":\n{"a":1}}'


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"\n" * 30,
        b"no json, and longer than 20 bytes\n",
        b'{"samples":{"a document of one line":1}}\n',
        OF_20_BYTES + b"\n",
    ],
)
def test_the_bound_of_a_document_counts_what_is_its_own(before: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "MAX_RECORD_BYTES", 20)
    assert split(before + OF_20_BYTES, JSON_SCRAPE)[-1] == (before.count(b"\n"), OF_20_BYTES)
    with pytest.raises(TooLong) as raised:
        split(before + OF_20_BYTES[:-2] + b"2}}", JSON_SCRAPE)
    assert raised.value.line == before.count(b"\n")


def test_a_document_too_long_says_the_bound_in_mebibytes() -> None:
    assert "longer than 256 MiB" in str(TooLong(0, []))


@pytest.mark.parametrize(
    ("text", "content_type", "whole", "begun"),
    [
        (b"m v=1\nm v=2", LINE_PROTOCOL, [b"m v=1", b"m v=2"], b""),
        (b'm v=1\nm s="a\nb', LINE_PROTOCOL, [b"m v=1"], b'm s="a\nb'),
        # A document may be whole before the line is known that follows it.
        (A + b"\n" + PRETTY, JSON_SCRAPE, [A, PRETTY], b""),
        (A + b"\n" + PRETTY[:-2], JSON_SCRAPE, [A], PRETTY[:-2]),
    ],
)
def test_a_text_that_breaks_off(text: bytes, content_type: str, whole: list[bytes], begun: bytes) -> None:
    taken = splitter(content_type, text)
    before = taken.push(text)
    records, rest = taken.break_off()
    assert ([each.value for each in [*before, *records]], rest) == (whole, begun)


@pytest.mark.parametrize("content_type", [LINE_PROTOCOL, JSON_SCRAPE])
def test_a_text_that_breaks_off_before_it_begins(content_type: str) -> None:
    assert splitter(content_type, b"").break_off() == ([], b"")


def test_a_string_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "MAX_RECORD_BYTES", 100)
    text = [b'm s="', *[b"m v=1"] * 50, b'n s="x"']
    taken = splitter(LINE_PROTOCOL, b"")
    assert [each.value for each in [*taken.push(b"\n".join(text)), *taken.finish()]] == text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b'm s="4567890\n234567890\n2" 5\nm v=1', [b'm s="4567890\n234567890\n2" 5', b"m v=1"]),
        (b'm s="4567890\n234567890\n2\n" 5\nm v=1', [b'm s="4567890\n234567890\n2\n" 5', b"m v=1"]),
        (b'm s="4567890\n234567890\n23\n" 5', [b'm s="4567890', b"234567890", b"23", b'" 5']),
        # It is closed in the line that reaches beyond.
        (b'm s="4567890\n2345" 890123456789 5', [b'm s="4567890\n2345" 890123456789 5']),
    ],
)
def test_a_string_is_given_up_beyond_the_bound(
    text: bytes, wanted: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splitting, "MAX_RECORD_BYTES", 24)
    taken = splitter(LINE_PROTOCOL, b"")
    assert [each.value for each in [*taken.push(text), *taken.finish()]] == wanted
