"""Numbers that writers of a directory claim one after the other, so that their order needs no clock: the later claim has the higher number.

A claim is a file ``NUMBER.json`` in a folder of its own. It is made exclusively, so no two claims have one number, from any process and any machine
that sees the directory. Runs of jobs claim one when they start (:mod:`transforms.io.parquet.runs`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from transforms.io.files.atomic import create_atomically

_NAME = re.compile(r"([0-9]{1,18})\.json")


def claim(folder: Path, at_least: int, document: Callable[[int], bytes]) -> int:
    """Claim a number that is higher than every number claimed before.

    Args:
        folder: of the claims; it is made if need be.
        at_least: the number, unless it is claimed already, or a higher one is: then the next after the highest.
        document: the content of the file of a number.

    Raises:
        OSError: the folder cannot be read or written.
    """
    while True:
        number = max(at_least, newest(folder) + 1)
        try:
            create_atomically(path_of(folder, number), document(number))
        except FileExistsError:
            # Someone else was faster, so the newest number is another now.
            continue
        return number


def newest(folder: Path) -> int:
    """The highest number claimed, 0 if there is none.

    Raises:
        OSError: the folder cannot be read.
    """
    return max(numbers(folder), default=0)


def numbers(folder: Path) -> list[int]:
    """The numbers claimed, in their order.

    Raises:
        OSError: the folder cannot be read.
    """
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(int(found[1]) for name in names if (found := _NAME.fullmatch(name)))


def path_of(folder: Path, number: int) -> Path:
    """The file of a number."""
    return folder / f"{number}.json"
