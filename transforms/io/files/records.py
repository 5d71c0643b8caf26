"""The records of one file, plain or gzip, in blocks: for jobs, and for whoever reads archived data. A fault says what cannot be read, and where."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.codecs.remote_write import is_request
from schemas.codecs.signatures import BYTE_ORDER_MARK, GZIP, form_of
from schemas.codecs.splitting import Splitter, TooLong, splitter
from schemas.records import REMOTE_WRITE, RawRecord
from transforms.io.files import gunzip
from transforms.io.files.content_types import content_type_of, suffix_of

BLOCK_BYTES = 8 << 20
"""Bytes of a file, decompressed, whose records make a block."""

MAX_KEPT_BYTES = 64 << 10


class InputFault(Exception):
    """A file that cannot be read, or not to its end; the message says why, and where it stopped, in words that follow the file's name.

    Attributes:
        line: how many lines were taken before.
        rest: the beginning of a record that was cut off.
    """

    def __init__(self, reason: str, line: int = 0, rest: bytes = b"") -> None:
        super().__init__(f"behind line {line}: {reason}" if line else reason)
        self.line, self.rest = line, rest[:MAX_KEPT_BYTES]


def read_content(path: str) -> Iterator[bytes]:
    """A file's content in pieces of :data:`BLOCK_BYTES`, without a byte order mark; decompressed if it is gzip, whatever its name.

    Raises:
        InputFault: it cannot be read, or not to its end, or is of a form that is known and not read; what came before was given.
    """
    try:
        with open(path, "rb") as file:
            begin = file.peek(16)
            if begin.startswith(GZIP):
                size, fault = gunzip.check(file)
                file.seek(0)
                yield from _joined(gunzip.content(file, size))
                if fault is not None:
                    raise InputFault(fault)
            elif path.lower().endswith(".gz"):
                what = f"is {form_of(begin) or 'not compressed with gzip'}" if begin else "is empty"
                raise InputFault(f"its name ends in .gz, but its content {what}: is it damaged, or is its name wrong?")
            else:
                yield from _joined(iter(lambda: file.read(BLOCK_BYTES), b""))
    except OSError as error:
        raise InputFault(error.strerror or str(error)) from None


def _joined(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pieces as large as blocks, the first without its byte order mark; before an error, what was read until then."""
    held: list[bytes] = []
    size, first = 0, True
    failed: OSError | None = None
    try:
        for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size >= BLOCK_BYTES:
                yield _begun(b"".join(held)) if first else b"".join(held)
                held, size, first = [], 0, False
    except OSError as error:
        failed = error
    if held:
        yield _begun(b"".join(held)) if first else b"".join(held)
    if failed is not None:
        raise failed


def _begun(content: bytes) -> bytes:
    form = form_of(content)
    if form is not None:
        raise InputFault(f"its content is {form}; text in UTF-8 is wanted, plain or compressed with gzip")
    return content.removeprefix(BYTE_ORDER_MARK)


def _is_csv(path: str, begin: bytes) -> bool:
    # A line of line protocol has a field, whatever the file is called.
    return suffix_of(path) == ".csv" and b"=" not in begin.partition(b"\n")[0]


def read_blocks(path: str, default_content_type: str | None = None) -> Iterator[list[RawRecord]]:
    """The records of a file, their offset the number of their first line from 0; blank lines are no records but keep their number.

    The name says the format, else ``default_content_type``, else the content.

    Raises:
        InputFault: it cannot be read to its end; what came before was given.
    """
    content_type = content_type_of(path) or default_content_type
    splitting: Splitter | None = None
    fault: InputFault | None = None
    pieces: list[bytes] = []
    content = read_content(path)
    try:
        for chunk in content:
            if not pieces and content_type is None and _is_csv(path, chunk):
                raise InputFault("CSV: jobs read line protocol and JSON; `tidemark rules backtest --data` reads CSV")
            if not pieces and (content_type == REMOTE_WRITE or (content_type is None and is_request(chunk))):
                yield [RawRecord(chunk + b"".join(content), 0, -1, content_type)]
                return
            pieces.append(chunk)
            if b"\n" in chunk:
                lines, _, rest = b"".join(pieces).rpartition(b"\n")
                pieces = [rest]
                splitting = splitting or splitter(content_type, lines)
                yield splitting.push(lines)
    except InputFault as error:
        fault = error
    except TooLong as error:
        yield error.records
        raise InputFault(str(error), error.line) from None
    rest = b"".join(pieces)
    splitting = splitting or splitter(content_type, rest)
    if fault is None:
        if rest:
            yield splitting.push(rest)
        yield splitting.finish()
        return
    records, begun = splitting.break_off()
    yield records
    raise InputFault(str(fault), splitting.line, b"\n".join([begun, rest] if begun else [rest]))
