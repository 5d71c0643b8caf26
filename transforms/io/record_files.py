"""The records of one file, plain or gzip, in blocks: for jobs, and for whoever reads archived data. A fault says what cannot be read, and where."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import IO, cast

from schemas.codecs.remote_write import is_request
from schemas.codecs.signatures import BYTE_ORDER_MARK, GZIP, form_of
from schemas.codecs.splitting import Splitter, TooLong, splitter
from schemas.records import REMOTE_WRITE, RawRecord
from transforms.io.content_types import content_type_of

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
        super().__init__(f"line {line + 1}: {reason}" if line else reason)
        self.line, self.rest = line, rest[:MAX_KEPT_BYTES]


def open_plain(path: str) -> IO[bytes]:
    """The file's content, decompressed if it is gzip, whatever its name.

    Raises:
        InputFault: it cannot be opened, or its name ends in ``.gz`` and it is not gzip.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115 - whoever reads it closes it
        try:
            begin = file.peek(16)
        except BaseException:
            file.close()
            raise
    except OSError as error:
        raise InputFault(_reason(error)) from None
    if begin.startswith(GZIP):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file, mode="rb"))
    if path.lower().endswith(".gz"):
        file.close()
        what = f"is {form_of(begin) or 'not compressed with gzip'}" if begin else "is empty"
        raise InputFault(f"its name ends in .gz, but its content {what}: is it damaged, or is its name wrong?")
    return file


def read_blocks(path: str, default_content_type: str | None = None) -> Iterator[list[RawRecord]]:
    """The records of a file, their offset the number of their first line from 0; blank lines are no records but keep their number.

    The name says the format, else ``default_content_type``, else the content.

    Raises:
        InputFault: it cannot be read to its end; what came before the damage was given.
    """
    content_type = content_type_of(path) or default_content_type
    splitting: Splitter | None = None
    fault: str | None = None
    pieces = [b""]
    with open_plain(path) as file:
        try:
            for read in _chunks(file):
                chunk = read
                if splitting is None and len(pieces) == 1:
                    chunk = _begun(read)
                    if content_type == REMOTE_WRITE or (content_type is None and is_request(chunk)):
                        yield [RawRecord(chunk + b"".join(_chunks(file)), 0, -1, content_type)]
                        return
                pieces.append(chunk)
                if b"\n" not in chunk:
                    continue
                *lines, rest = b"".join(pieces).split(b"\n")
                pieces = [rest]
                splitting = splitting or splitter(content_type, lines)
                yield splitting.push(lines)
        except (OSError, EOFError, zlib.error) as error:
            fault = _reason(error)
        except TooLong as error:
            yield error.records
            raise InputFault(str(error), error.line) from None
    rest = b"".join(pieces)
    splitting = splitting or splitter(content_type, [rest])
    if fault is None:
        yield splitting.push([rest] if rest else [])
        yield splitting.finish()
        return
    records, begun = splitting.break_off()
    yield records
    raise InputFault(fault, splitting.line, b"\n".join([begun, rest] if begun else [rest]))


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    """The content in pieces of :data:`BLOCK_BYTES`; before an error, what was read until then."""
    pieces: list[bytes] = []
    size = 0
    # At most one read of what is below: after an error, the pieces of several would be lost.
    read = cast("io.BufferedReader", file).read1
    try:
        while piece := read(BLOCK_BYTES):
            pieces.append(piece)
            size += len(piece)
            if size >= BLOCK_BYTES:
                yield b"".join(pieces)
                pieces, size = [], 0
    except (OSError, EOFError, zlib.error):
        if pieces:
            yield b"".join(pieces)
        raise
    if pieces:
        yield b"".join(pieces)


def _begun(chunk: bytes) -> bytes:
    """The first chunk of a file without its byte order mark.

    Raises:
        InputFault: it is of a form that is known, and not read.
    """
    form = form_of(chunk)
    if form is not None:
        raise InputFault(f"its content is {form}; JSON or line protocol is wanted, plain or compressed with gzip")
    return chunk.removeprefix(BYTE_ORDER_MARK)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, EOFError):
        return "the file is cut off: its compressed content has no end"
    if "Not a gzipped file" in str(error):
        return "the file goes on behind its compressed content with something that is not gzip"
    if "CRC" in str(error) or "length" in str(error):
        return f"the file is damaged, so what was read of it may be wrong: {error}"
    return f"the file is damaged: {error}"
