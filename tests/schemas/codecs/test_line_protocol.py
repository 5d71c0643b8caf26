from __future__ import annotations

import re
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import schemas.codecs.line_protocol
from schemas.builder import BatchBuilder
from schemas.codecs.base import MAX_TS
from schemas.codecs.line_protocol import LineProtocolCodec
from schemas.codecs.signatures import form_of
from schemas.records import BadLine
from schemas.units import EARLIEST_MS, Precision
from tests.schemas.rows import Row, decode, row

HEAD = "m,host=a,x=1"


def read(data: str, precision: Precision = "ns", **times: int) -> tuple[list[Row], list[BadLine], int]:
    builder = BatchBuilder()
    return decode(LineProtocolCodec(builder, precision), builder, data.encode(), **times)


def test_fields_become_samples_and_tags_labels() -> None:
    found, bad, skipped = read('cpu,cpu=cpu0,host=a user=1.5,n=3i,u=4u,up=t,value=7,s="x" 1700000000000999999')
    ts = 1_700_000_000_000
    assert found == [
        row('{host="a"}', 'cpu_user{cpu="cpu0"}', ts, 1.5),
        row('{host="a"}', 'cpu_n{cpu="cpu0"}', ts, 3.0),
        row('{host="a"}', 'cpu_u{cpu="cpu0"}', ts, 4.0),
        row('{host="a"}', 'cpu_up{cpu="cpu0"}', ts, 1.0),
        row('{host="a"}', 'cpu{cpu="cpu0"}', ts, 7.0),
    ]
    assert (bad, skipped) == ([], 1)


def test_target_labels_are_the_builders() -> None:
    builder = BatchBuilder(frozenset({"cpu"}))
    found, _, _ = decode(LineProtocolCodec(builder), builder, b"m,cpu=0,host=a v=1 1000000")
    assert found == [row('{cpu="0"}', 'm_v{host="a"}', 1, 1.0)]


def test_escaped_heads_are_told_apart() -> None:
    found, _, _ = read("m,host=a\\ b v=1 1\nm,host=a\\ c v=1 1\nm,x=a\\,y v=1 1\nm,x=a\\=y v=1 1\n")
    assert [(sample.target, sample.metric) for sample in found] == [
        ('{host="a b"}', "m_v"),
        ('{host="a c"}', "m_v"),
        ("{}", 'm_v{x="a,y"}'),
        ("{}", 'm_v{x="a=y"}'),
    ]


@pytest.mark.parametrize("repeated", [1, 3])
def test_a_line_of_strings_only_is_counted_and_no_sample(repeated: int) -> None:
    assert read('m a="1",b="2" 1\n' * repeated) == ([], [], 2 * repeated)


@pytest.mark.parametrize(
    ("precision", "raw", "ts"),
    [("ns", "1999999", 1), ("ns", "999999", 0), ("us", "1999", 1), ("ms", "1", 1), ("s", "2", 2000), ("ns", "0", 0)],
)
def test_timestamps_are_cut_to_milliseconds(precision: Precision, raw: str, ts: int) -> None:
    line = f"m v=1 {raw}\n"
    assert read(line + line, precision)[0] == [row("{}", "m_v", ts, 1.0)] * 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("m v=1", "no timestamp, and the record has no time of its own"),
        ("m v=1 -1", "event time -1 ms lies before 1970"),
        ("m v=1 -1000000", "event time -1 ms lies before 1970"),
        ("m v=1 6000000000", "lies too far in the future"),
        ("m,__name__=x v=1 1", "tag __name__"),
    ],
)
def test_refused_lines_leave_their_neighbours(line: str, reason: str) -> None:
    good = "m v=1 2000000"
    found, bad, _ = read(f"{good}\n{line}\n{good}\n", latest_ts=5000)
    assert found == [row("{}", "m_v", 2, 1.0)] * 2
    assert [(one.line, one.text) for one in bad] == [(2, line.encode())]
    assert reason in bad[0].reason


def test_a_refused_line_is_given_as_it_stands_but_for_its_end() -> None:
    _, bad, _ = read('a s="x" 1\nm v=1  \r\nb s="y" 1')
    assert bad == [BadLine(2, b"m v=1  ", "no timestamp, and the record has no time of its own")]


def test_a_records_time_beyond_the_latest_is_refused() -> None:
    _, bad, _ = read("m v=1\nm v=1 8000000", default_ts=9, latest_ts=8)
    assert [one.line for one in bad] == [1]
    assert "event time 9 ms" in bad[0].reason


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("5000", "timestamp 5000 in us is 1970-01-01T00:00:00.005Z: no clock shows"),
        ("1700000000000", "it looks like milliseconds, 2023-11-14T22:13:20Z: --precision=ms reads it so"),
    ],
)
def test_a_time_before_all_clocks_says_its_unit(raw: str, reason: str) -> None:
    builder = BatchBuilder(earliest_ts=EARLIEST_MS)
    _, bad, _ = decode(LineProtocolCodec(builder, "us"), builder, f"m v=1 {raw}".encode())
    assert reason in bad[0].reason


def test_metrics_are_numbered_in_32_bits() -> None:
    builder = BatchBuilder()
    assert LineProtocolCodec(builder).decode(b"m v=1 1") == []
    assert builder.build()[0].metric.dtype == np.int32


def test_lines_without_a_timestamp_take_the_records() -> None:
    assert read("m v=1\nm v=2\n", default_ts=9)[0] == [row("{}", "m_v", 9, 1.0), row("{}", "m_v", 9, 2.0)]


def test_the_latest_time_of_all_is_the_same_for_both_ways() -> None:
    found, bad, _ = read(f"m v=1 {MAX_TS}999999\nm v=1 {MAX_TS}999999\nm v=1 {MAX_TS + 1}000000")
    assert [sample.ts for sample in found] == [MAX_TS, MAX_TS]
    assert len(bad) == 1


@pytest.mark.parametrize("fields", ["v=1", 'v=1,s="\\""'])
def test_the_bounds_of_event_times_are_the_same_for_both_ways(fields: str) -> None:
    builder = BatchBuilder(earliest_ts=5)
    data = "\n".join(f"m {fields} {ts}" for ts in (4, 5, 8, 9))
    found, bad, _ = decode(LineProtocolCodec(builder, "ms"), builder, data.encode(), latest_ts=8)
    assert ([sample.ts for sample in found], [one.line for one in bad]) == ([5, 8], [1, 4])
    assert read(f"m {fields}", default_ts=0)[0] == [row("{}", "m_v", 0, 1.0)]


def parsed_only(data: bytes, precision: Precision) -> tuple[list[Row], list[BadLine], int]:
    """The same with every line led through the parser."""
    builder = BatchBuilder()
    with mock.patch.object(LineProtocolCodec, "_add_plain", return_value=False):
        return decode(LineProtocolCodec(builder, precision), builder, data, default_ts=77, latest_ts=5_000_000_000_000)


def both_ways(data: bytes, precision: Precision) -> tuple[list[Row], list[BadLine], int]:
    builder = BatchBuilder()
    codec = LineProtocolCodec(builder, precision)
    # Heads that the plain way has seen before, in the canonical and in the odd.
    codec.decode(
        b'm,host=a,x=1 a=1 1\nm a\\,=1 1\nm a\\==1 1\n"m" a=1 1\nm,x="" a=1 1\n1 a=1 1\n[ a=1 1\n',
        latest_ts=5_000_000_000_000,
    )
    builder.build()
    return decode(codec, builder, data, default_ts=77, latest_ts=5_000_000_000_000)


PIECES = [
    *'mabi=,. -+_0159eEtTnu{}[]:#"\\\t\r\n\x00\x7fé²٤',
    *("=1", "=12i", "=-0", "=-0i", "=-0.0", "=1.5i", '=""', '="x, y=1"', '="x\ny"', ",b=2", ",b=-3i", ",:1", ",a=1"),
    *(
        "true",
        "null",
        "[]",
        "{}",
        "1e999",
        "1e400i",
        "9223372036854775807i",
        "9223372036854775808i",
        "99999999999999999999",
    ),
    *(" 1700000000000000000\n", " 1\n", "\n", HEAD + " ", "m a=", "m ", '"m" ', 'm,x="" ', "\udcff"),
]
lines = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
near_misses = st.tuples(
    st.sampled_from([f"{HEAD} a=1,b=2i 1700000000000000000\n", 'm a=1,c="x y",b=2 17000000000\n', "m a=1\n"]),
    st.integers(0, 50),
    st.integers(0, 3),
    st.sampled_from(PIECES),
).map(lambda parts: parts[0][: parts[1]] + parts[3] + parts[0][parts[1] + parts[2] :])


@settings(max_examples=1500, deadline=None)
@given(st.lists(lines | near_misses, max_size=3).map("".join), st.sampled_from(["ns", "us", "ms", "s"]))
@example("m a,:1 1\n", "ns")
@example('a":b c=1,s="x" 1\nm s="x",t=1" 1\n', "ns")
@example('m x=1,b,:"" 1\n', "ns")
@example("m a=1,a=2 1\n", "ns")
@example("m,b=1,b=2 a=1 1\nm,b=\udcff a=1 1\n", "ns")
@example('m ="x",a=1 1\nm =1,a=1 1\nm b\x7f="x",a=1 1\nm b\x7f=1 1\n', "ns")
@example('m c="\udcff",a=1 1\nm c="é",a=1 1\n', "ns")
@example('m,x="a b" a=1 1\nm a="x""y",b=1 1\nm a""=1 1\n', "ns")
@example('"cpu",host=a value=1 1\n"",host=a value=1 1\n', "ns")
@example(f"{HEAD} a=-0,b=1 1\n{HEAD} a=-0i,b=1 1\n", "ns")
@example(f"{HEAD} a=9223372036854775808i 1\n{HEAD} a=null 1\n", "ns")
@example(f"{HEAD} a=1\t 1\n{HEAD} a=1 1_0\n{HEAD} a=1 ²\n", "ns")
def test_the_plain_way_and_the_parser_agree(data: str, precision: Precision) -> None:
    encoded = data.encode("utf-8", "surrogateescape")
    assume(form_of(encoded) is None)
    assert both_ways(encoded, precision) == parsed_only(encoded, precision)


def test_the_plain_way_is_taken() -> None:
    """Else the test above proves nothing."""
    builder = BatchBuilder()
    codec = LineProtocolCodec(builder)
    data = f"{HEAD} a=1,b=2i,c=true 1\n{HEAD} a=-1.5e3 1\n{HEAD} a=1\n"
    more = f'{HEAD} c="x, y=1",a=1 5\n{HEAD} a=1,c="x" 5\n{HEAD} é=1 5\n{HEAD} a=-0.5,b=-0.0 1\nm a=1 1700000000000000000\n'
    latest = 1_700_000_000_000
    with mock.patch.object(schemas.codecs.line_protocol, "parse_line", side_effect=AssertionError):
        assert codec.decode(data.encode(), default_ts=7, latest_ts=7) == []
        assert codec.decode((data + more).encode(), default_ts=7, latest_ts=latest) == []


def test_the_caches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CACHED_HEADS", "CACHED_SHAPES", "CACHED_FIELD_SETS"):
        monkeypatch.setattr(schemas.codecs.line_protocol, name, 5)
    builder = BatchBuilder()
    codec = LineProtocolCodec(builder)
    for number in range(50):
        line = f"m{number % 20},host={number} v{number}=1 1000000"
        found, _, _ = decode(codec, builder, line.encode())
        assert found == [row(f'{{host="{number}"}}', f"m{number % 20}_v{number}", 1, 1.0)]
        decode(codec, builder, f"m v{number}=1 1000000".encode())
        assert len(codec._heads) <= 5
        assert len(codec._shapes) <= 5
    for number in range(20):
        decode(codec, builder, f"m v{number}=1 1000000".encode())
        assert max(len(shape.field_sets) for shape in codec._shapes.values()) <= 5


def test_bad_lines_of_long_records_are_numbered() -> None:
    data = "".join(f"m v={'x' if n % 7 == 3 else n} 1\n" + ('s v="\n" 1\n' if n == 10 else "") for n in range(40))
    _, bad, _ = read(data)
    for one in bad:
        assert data.split("\n")[one.line - 1].encode() == one.text
    assert len(bad) == len(re.findall("=x", data))
