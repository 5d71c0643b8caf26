"""Names of forms that no codec reads, by how their bytes begin: so that whoever finds such a record learns what it is, and what to do."""

from __future__ import annotations

GZIP = b"\x1f\x8b"

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Of UTF-8: it says nothing, and some editors put it before a text."""

_UTF16 = "text in UTF-16 (iconv -f UTF-16 -t UTF-8 makes UTF-8 of it)"
# None of them is how a text begins.
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xfe\x00\x00", "text in UTF-32 (iconv -f UTF-32 -t UTF-8 makes UTF-8 of it)"),
    (b"\xff\xfe", _UTF16),
    (b"\xfe\xff", _UTF16),
    (GZIP, "compressed with gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"\x04\x22\x4d\x18", "compressed with lz4"),
    (b"\xff\x06\x00\x00sNaPpY", "compressed with snappy's framing format, not its block format"),
    (b"\xfd7zXZ\x00", "compressed with xz"),
    (b"BZh91AY&SY", "compressed with bzip2"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PAR1\x15", "a Parquet file"),
    (b"Obj\x01", "an Avro file"),
    (b"ARROW1\x00\x00", "an Arrow file"),
    (b"\x89PNG", "a picture"),
    (b"SQLite format 3\x00", "a database of SQLite"),
)


def form_of(data: bytes) -> str | None:
    """What bytes are that begin so: ``compressed with zstd``, ``text in UTF-16 (...)``; None for a form that is not known here."""
    for begin, name in _SIGNATURES:
        if data.startswith(begin):
            return name
    if len(data) >= 4 and data[:4].count(0) == 2 and (data[0] == data[2] == 0 or data[1] == data[3] == 0):
        return _UTF16
    return None
