"""Content of gzip files, checked before anything of it is believed: a flipped bit makes other numbers of it long before it makes an error."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple

from schemas.codecs.signatures import GZIP

_READ_BYTES = 1 << 20
_GZIP = zlib.MAX_WBITS | 16


class Checked(NamedTuple):
    """What a gzip file holds.

    Attributes:
        size: bytes of content, decompressed, that can be believed.
        fault: why there is no more, if there should be.
    """

    size: int
    fault: str | None = None


def check(file: IO[bytes]) -> Checked:
    """Read a gzip file to its end, and see how much of its content can be believed.

    Of a file that is cut off, that is what there is; of one that is damaged, the members before the damaged one: nobody knows where in it
    the damage begins. Members may follow one another, and zeros the last of them.

    Raises:
        OSError: it cannot be read.
    """
    believed = size = 0
    try:
        for chunk, ends in _members(file):
            size += len(chunk)
            if ends:
                believed = size
    except EOFError:
        return Checked(size, "the file is cut off: its compressed content has no end")
    except _TrailingBytes as error:
        return Checked(
            size, f"from byte {error} of the file on, something that is not gzip follows its compressed content"
        )
    except zlib.error as error:
        reason = str(error).rpartition(": ")[2]
        kept = "only what comes before is read" if believed else "nothing of it is read"
        return Checked(believed, f"the file is damaged at or before byte {file.tell()} ({reason}): {kept}")
    return Checked(size)


def content(file: IO[bytes], size: int) -> Iterator[bytes]:
    """The first ``size`` bytes of a gzip file's content, in pieces.

    Raises:
        OSError: it cannot be read.
    """
    for chunk, _ in _members(file) if size else ():
        if size <= len(chunk):
            yield chunk[:size]
            return
        size -= len(chunk)
        yield chunk


class _TrailingBytes(Exception):
    pass


def _members(file: IO[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The content in pieces, each with whether a member ends with it."""
    data = file.read(_READ_BYTES)
    while data:
        if not data.startswith(GZIP[: len(data)]):
            raise _TrailingBytes(file.tell() - len(data))
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            if not data:
                raise EOFError
            chunk = member.decompress(data, _READ_BYTES)
            data = member.unused_data if member.eof else member.unconsumed_tail or file.read(_READ_BYTES)
            yield chunk, member.eof
        # Zeros may fill up the last block of a tape.
        while not data.lstrip(b"\x00") and (more := file.read(_READ_BYTES)):
            data = more
        data = data.lstrip(b"\x00")
