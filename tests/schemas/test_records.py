from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import JSON_SCRAPE, DeadLetter, reason_kind
from tests.schemas.rows import text


@given(
    st.builds(
        DeadLetter,
        reason=text,
        topic=text,
        partition=st.integers(0, 4095),
        offset=st.integers(0, 1 << 51),
        payload=st.binary(max_size=40),
        content_type=st.none() | text,
        line=st.none() | st.integers(1, 1000),
    )
)
def test_dead_letter_reads_back(letter: DeadLetter) -> None:
    assert DeadLetter.decode(letter.encode()) == letter


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"payload": 1}', b'{"payload": "AA==", "other": 1}'])
def test_decode_refuses_what_is_no_dead_letter(data: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        DeadLetter.decode(data)


@pytest.mark.parametrize(
    ("letter", "part"),
    [
        (DeadLetter("r", "t", 0, 1, b"cpu value=", line=3), "line"),
        (DeadLetter("r", "t", 0, 1, b'{"samples":', line=2), "document"),
        (DeadLetter("r", "t", 0, 1, b"[1]", JSON_SCRAPE, line=2), "document"),
        (DeadLetter("r", "t", 0, 1, b"\n\x05", "Application/X-Protobuf; proto=x", line=2), "series"),
        (DeadLetter("r", "t", 0, 1, b'{"samples":'), "line"),
    ],
)
def test_a_dead_letter_says_what_its_number_counts(letter: DeadLetter, part: str) -> None:
    assert letter.part == part


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("line 3: unexpected 'x' at 17", "line N: unexpected '...' at N"),
        ('key "it\'s" twice', "key '...' twice"),
        (r"'it\'s 5' in 2", "'...' in N"),
        ("2024-05-01T12:00:00Z is too early", "N is too early"),
        ("not JSON", "not JSON"),
    ],
)
def test_reasons_of_one_kind_differ_by_numbers_times_and_quoted_texts(reason: str, kind: str) -> None:
    assert reason_kind(reason) == kind
