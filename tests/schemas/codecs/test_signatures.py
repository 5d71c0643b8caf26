from __future__ import annotations

import pytest

from schemas.codecs.signatures import form_of


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (b"\x1f\x8b\x08", "compressed with gzip"),
        (b"\xff\xfe\x00\x00", "text in UTF-32"),
        (b"\xff\xfea\x00", "text in UTF-16"),
        # Without a byte order mark every second byte of ASCII is zero; four bytes are enough to see it.
        ("ab".encode("utf-16-le"), "text in UTF-16"),
        ("ab".encode("utf-16-be"), "text in UTF-16"),
        (b"a\x00b", None),
        (b"a\x00\x00b", None),
        (b"\x00\x00ab", None),
        (b"cpu value=1", None),
        (b"", None),
    ],
)
def test_forms_by_how_they_begin(data: bytes, form: str | None) -> None:
    found = form_of(data)
    assert (found is None) if form is None else (found is not None and found.startswith(form))
