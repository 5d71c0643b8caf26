from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codecs.line_syntax import NANOSECONDS, Field, Point, parse
from schemas.records import BadLine
from schemas.units import Precision
from tests.schemas.rows import text

CORPUS = Path(__file__).parents[3].parent / "shared" / "corpora" / "line-protocol" / "corpus.json"
EXCEPTIONS: set[str] = set()
"""Keys of corpus cases that are decided otherwise here; docs/formats.md gives the reasons."""

PRECISIONS: dict[str, Precision] = {"1ns": "ns", "1µs": "us", "1ms": "ms", "1s": "s"}


def corpus_text(value: Any) -> bytes:
    return base64.b64decode(value["binary"]) if isinstance(value, dict) else value.encode()


def expected_points(output: dict[str, Any]) -> list[tuple[Any, ...]] | None:
    if "error" in output:
        return None
    return [
        (
            point["time"],
            point["name"],
            [(tag["key"], tag["value"]) for tag in point["tags"] or []],
            [(field["key"], *next(iter(field["value"].items()))) for field in point["fields"]],
        )
        for point in output["result"] or []
    ]


def decoded_points(case: dict[str, Any]) -> list[tuple[Any, ...]] | None:
    precision = PRECISIONS[case["precision"]]
    found = list(parse(corpus_text(case["text"]), precision))
    if any(isinstance(point, BadLine) for point in found):
        return None
    default = case["defaultTime"] - case["defaultTime"] % NANOSECONDS[precision]
    return [
        (
            default if point.time is None else point.time,
            point.measurement,
            sorted(point.tags),
            [(field.key, field.type, field.value) for field in point.fields],
        )
        for point in found
        if isinstance(point, Point)
    ]


def test_corpus() -> None:
    if not CORPUS.exists():
        pytest.skip(f"no corpus at {CORPUS}")
    cases = json.loads(CORPUS.read_text())["decode"]
    differing = {key for key, case in cases.items() if decoded_points(case["input"]) != expected_points(case["output"])}
    assert differing == EXCEPTIONS
    assert len(cases) == 6615
    assert sum("error" in case["output"] for case in cases.values()) == 6220


def point(line: str, precision: Precision = "ns") -> Point:
    (found,) = parse(line.encode(), precision)
    assert isinstance(found, Point), found
    return found


def test_a_line() -> None:
    assert point('cpu,host=a,dc=eu user=1.5,n=12i,u=7u,up=true,s="x y" 1700000000000000000') == Point(
        measurement="cpu",
        tags=(("host", "a"), ("dc", "eu")),
        fields=(
            Field("user", "float", 1.5),
            Field("n", "int", 12),
            Field("u", "uint", 7),
            Field("up", "bool", True),
            Field("s", "string", "x y"),
        ),
        time=1_700_000_000_000_000_000,
        line=1,
    )


@pytest.mark.parametrize(
    ("raw", "kind", "value"),
    [
        ("1", "float", 1.0),
        ("1.", "float", 1.0),
        (".5", "float", 0.5),
        ("-.5e+3", "float", -500.0),
        ("1E4", "float", 10_000.0),
        ("1e-999", "float", 0.0),
        ("0" * 5000 + "1", "float", 1.0),
        ("0" * 5000 + "1i", "int", 1),
        ("-9223372036854775808i", "int", -(1 << 63)),
        ("18446744073709551615u", "uint", (1 << 64) - 1),
        *((word, "bool", True) for word in ("t", "T", "true", "True", "TRUE")),
        *((word, "bool", False) for word in ("f", "F", "false", "False", "FALSE")),
        ('""', "string", ""),
        ('"a\\"b\\\\c\\n\\q"', "string", 'a"b\\c\n\\q'),
        ('"two\nlines, a=b \x00"', "string", "two\nlines, a=b \x00"),
    ],
)
def test_values(raw: str, kind: str, value: object) -> None:
    assert point(f"m v={raw} 1").fields == (Field("v", kind, value),)


def test_negative_zero_is_kept() -> None:
    assert math.copysign(1.0, point("m v=-0 1").fields[0].value) == -1.0


@pytest.mark.parametrize(
    ("raw", "precision", "time"),
    [("5", "ns", 5), ("5", "us", 5_000), ("-5", "ms", -5_000_000), ("0005", "s", 5_000_000_000)],
)
def test_precision(raw: str, precision: Precision, time: int) -> None:
    assert point(f"m v=1 {raw}", precision).time == time


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("cpu", "column 4: a space and fields are wanted, not the end"),
        ("cpu ", "column 5: a field is wanted, not the end"),
        ("cpu\tv=1", r"column 4: a space and fields are wanted, not '\t'"),
        (",a=b v=1", "column 1: a measurement is wanted, not ','"),
        ("cpu, v=1", "column 5: a tag is wanted, not ' '"),
        ("cpu,a v=1", "column 6: \"=\" and a value are wanted after tag 'a', not ' '"),
        ("cpu,a= v=1", "column 7: tag 'a' has no value"),
        ("cpu,a=b=c v=1", "column 8: a space and fields are wanted, not '='"),
        ("cpu,a=b,a=c v=1", "column 1: tag 'a' is given twice"),
        ("cpu v", "column 6: \"=\" and a value are wanted after field 'v', not the end"),
        ("cpu v=", "column 1: '' is no value"),
        ("cpu v=1,", "column 9: a field is wanted, not the end"),
        ("cpu v=1_0", "'1_0' is no value; write 1.5, 12i, 12u, true, or a string in double quotes"),
        ("cpu v=nan", "'nan' is no value"),
        ("cpu v=-inf", "'-inf' is no value"),
        ("cpu v=0x10", "'0x10' is no value"),
        ("cpu v=+1", "'+1' is no value"),
        ("cpu v=1.5i", "'1.5i' is no value"),
        ("cpu v=-1u", "'-1u' is no value"),
        ("cpu v=tru", "'tru' is no value"),
        ("cpu v=1e999", "'1e999' is out of the range of a 64-bit float"),
        ("cpu v=9223372036854775808i", "out of range: -9223372036854775808 to 9223372036854775807"),
        ("cpu v=-" + "9" * 5000 + "i", "out of range: -9223372036854775808"),
        ("cpu v=18446744073709551616u", "out of range: 0 to"),
        ('cpu v="x"y', "column 10: a comma or a space is wanted after a string, not 'y'"),
        ('cpu v="x"X', "column 10: a comma or a space is wanted after a string, not 'X'"),
        ('cpu v="x', "column 7: the string of field 'v' is not closed"),
        ("cpu v=1 x", "column 8: a timestamp or the end of the line is wanted, not ' '"),
        ("cpu v=1 1 2", "column 8: a timestamp or the end of the line"),
        ("cpu v=1 1-", "'1-' is no timestamp"),
        ("cpu v=1 9223372036854775808", "out of range"),
        ("cpu v=1 -9223372036854775808", "out of range: -9223372036854775807 to 9223372036854775807"),
        ("cpu v=1 " + "9" * 5000, "timestamp in ns: '" + "9" * 60 + "...' is out of range"),
        ("# \x01", "column 1: a control character in a comment"),
    ],
)
def test_refuses_and_says_where(line: str, reason: str) -> None:
    (bad,) = parse(line.encode())
    assert isinstance(bad, BadLine)
    assert reason in bad.reason
    assert (bad.line, bad.text) == (1, line.encode())


@pytest.mark.parametrize("raw", ["1700000000000000000", "01700000000000000000"])
def test_a_timestamp_out_of_range_in_one_unit_says_which_it_looks_like(raw: str) -> None:
    (bad,) = parse(f"m v=1 {raw}".encode(), "s")
    assert isinstance(bad, BadLine)
    assert bad.reason == (
        f"column 1: timestamp in s: '{raw}' is out of range: -9223372036 to 9223372036; "
        "it looks like nanoseconds, 2023-11-14T22:13:20Z: --precision=ns reads it so"
    )


def test_a_timestamp_that_is_one_in_no_unit_says_the_range_alone() -> None:
    (bad,) = parse(b"m v=1 " + b"9" * 21)
    assert isinstance(bad, BadLine)
    assert bad.reason.endswith("is out of range: -9223372036854775807 to 9223372036854775807")


@pytest.mark.parametrize("data", [b"m\xff v=1 1", b"m,a=\xff v=1 1", b'm v="\xff" 1', b"m v\xed\xa0\x80=1 1"])
def test_bytes_that_are_no_utf8_are_refused_and_kept(data: bytes) -> None:
    good = b"m v=1 1"
    before, bad, after = parse(good + b"\n" + data + b"\n" + good)
    assert isinstance(before, Point)
    assert isinstance(after, Point)
    assert bad == BadLine(2, data, "column 1: not UTF-8")


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        ("a v=1\nb v=x\nc v=1", [("a", 1), "b v=x", ("c", 3)]),
        ("a v=1\r\n\r\n  \n# note\nc v=1\r\n", [("a", 1), ("c", 5)]),
        ('a v="1\n2"\nb v="1\n2"x\nc v=1', [("a", 1), 'b v="1\n2"x', ("c", 5)]),
        ('a v=x,s="1\n2" 5\nb v=1', ['a v=x,s="1\n2" 5', ("b", 3)]),
        ('a v="open\nb v=1\nc v=1', ['a v="open', ("b", 2), ("c", 3)]),
        ("\n\na\n\nb v=1", ["a", ("b", 5)]),
        ("a v=1\x00\nb v=1", ["a v=1\x00", ("b", 2)]),
    ],
)
def test_a_bad_line_leaves_its_neighbours(data: str, lines: list[tuple[str, int] | str]) -> None:
    found = [
        found.text.decode() if isinstance(found, BadLine) else (found.measurement, found.line)
        for found in parse(data.encode())
    ]
    assert found == lines


def written(text: str, special: str) -> str:
    escaped = "".join("\\" + char if char in special else char for char in text)
    # A backslash at the end would escape what follows.
    return escaped


names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\"), min_size=1, max_size=6)
fields = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(lambda value: (repr(value), "float", value)),
    st.integers(-(1 << 63), (1 << 63) - 1).map(lambda value: (f"{value}i", "int", value)),
    st.integers(0, (1 << 64) - 1).map(lambda value: (f"{value}u", "uint", value)),
    st.booleans().map(lambda value: (str(value).lower(), "bool", value)),
    text.map(lambda value: (f'"{written(value, chr(92) + chr(34))}"', "string", value)),
)


@given(
    names.filter(lambda name: name[0] not in "#"),
    st.dictionaries(names, names, max_size=3),
    st.dictionaries(names, fields, min_size=1, max_size=4),
    st.none() | st.integers(-(1 << 63) + 1, (1 << 63) - 1),
)
def test_a_written_line_reads_back(
    measurement: str, tags: dict[str, str], found: dict[str, tuple[str, str, Any]], time: int | None
) -> None:
    line = written(measurement, ", ")
    line += "".join(f",{written(key, ',= ')}={written(value, ',= ')}" for key, value in tags.items())
    line += " " + ",".join(f"{written(key, ',= ')}={raw}" for key, (raw, _, _) in found.items())
    line += "" if time is None else f" {time}"
    expected = tuple(Field(key, kind, value) for key, (_, kind, value) in found.items())
    assert point(line) == Point(measurement, tuple(tags.items()), expected, time, 1)


@given(
    st.binary(max_size=60)
    | st.lists(st.sampled_from([b"m", b",", b"=", b" ", b'"', b"\\", b"\n", b"\r", b"#", b"1", b"i"])).map(b"".join)
)
def test_any_bytes_give_points_or_bad_lines_and_every_byte_is_in_one(data: bytes) -> None:
    for found in parse(data):
        if isinstance(found, BadLine):
            assert found.text in data
            assert found.reason
