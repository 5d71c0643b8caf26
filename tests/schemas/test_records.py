from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import DeadLetter
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
