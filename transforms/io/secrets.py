"""Secrets in files: tokens and passwords are never part of a command line."""

from __future__ import annotations

from pathlib import Path


def read_secret(path: str, named: str, raises: type[Exception]) -> str:
    """The text of a file, without white space around it and without a byte order mark.

    Args:
        path: the file.
        named: what the file is, for the message: ``the token file``.
        raises: the error, which says nothing of the content.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        raise raises(f"{named} cannot be read: {error}") from None
    except UnicodeDecodeError:
        raise raises(f"{named} cannot be read: {path} is no text in UTF-8") from None
    if not text:
        raise raises(f"{named} is empty: {path}")
    return text
