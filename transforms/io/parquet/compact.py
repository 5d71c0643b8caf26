"""Upkeep of the Parquet store: folding many small files into few, and deleting what is past its retention. No Beam, no clock.

Readers and writers need not stop meanwhile, and a crash at any point loses nothing and doubles nothing: a folded file appears whole before its parts
are removed, and while both are there a reader takes each row once. A file that is written meanwhile is no part, and stays.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from schemas.tiers import Tiers
from transforms.io.files.atomic import TEMPORARY, sync_folder
from transforms.io.parquet.layout import DAY_MS, RAW, kind_of
from transforms.io.parquet.rows import newest
from transforms.io.parquet.runs import RUNS, check_format
from transforms.io.parquet.store import StoredFile, files, read_files, reason_of, rows_of, write_file

TARGET_ROWS = 2_000_000
"""Rows of a folded file, at the most (about 300 MB while it is being made); files with half of them are left as they are."""


@dataclass(frozen=True)
class Compaction:
    """What a compaction did, in files and rows of the parts it folded; rows fall by what newer panes and later runs replaced.

    Files that cannot be read stay as they are; each is reported with the reason.
    """

    files_before: int = 0
    files_after: int = 0
    rows_before: int = 0
    rows_after: int = 0
    unreadable: tuple[tuple[Path, str], ...] = ()

    def __add__(self, other: Compaction) -> Compaction:
        return Compaction(
            self.files_before + other.files_before,
            self.files_after + other.files_after,
            self.rows_before + other.rows_before,
            self.rows_after + other.rows_after,
            self.unreadable + other.unreadable,
        )


def compact(directory: str | os.PathLike[str], folder: str, before: int, target_rows: int = TARGET_ROWS) -> Compaction:
    """Fold the small files of a folder (a tier's name, or ``raw``) whose rows all lie before a time (ms), day by day.

    ``before`` is best the watermark less the allowed lateness: what is folded sooner is folded again.

    Raises:
        OSError: a file cannot be written; nothing is lost.
        schemas.forms.model.VersionError: only a newer release may fold it.
    """
    check_format(directory)
    done = Compaction()
    past = [file for file in files(directory, folder, end=before) if file.name.last < before]
    for _, day in groupby(past, key=lambda file: file.path.parent):
        unreadable: list[tuple[Path, str]] = []
        for part in _parts(list(day), target_rows, unreadable):
            done += _fold(folder, part)
        done += Compaction(unreadable=tuple(unreadable))
    return done


def _parts(
    day: Sequence[StoredFile], target_rows: int, unreadable: list[tuple[Path, str]]
) -> list[list[tuple[Path, int]]]:
    """Neighbouring small files, in groups of at most the target's rows; a file alone is no group. What cannot be read is added to ``unreadable``."""
    groups: list[list[tuple[Path, int]]] = [[]]
    total = 0
    for file in sorted(day, key=lambda file: file.name):
        try:
            rows = rows_of(file.path)
        except FileNotFoundError:
            # Another compaction was faster.
            continue
        except (OSError, pa.ArrowException) as error:
            unreadable.append((file.path, reason_of(error)))
            continue
        if 2 * rows >= target_rows:
            continue
        if total + rows > target_rows:
            groups.append([])
            total = 0
        groups[-1].append((file.path, rows))
        total += rows
    return [group for group in groups if len(group) > 1]


def _fold(folder: str, part: Sequence[tuple[Path, int]]) -> Compaction:
    kind = kind_of(folder)
    paths = [path for path, _ in part]
    try:
        table = newest(kind, read_files(kind, paths))
    except FileNotFoundError:
        # Another compaction folded some of them: the next run finds the rest.
        return Compaction()
    except (OSError, pa.ArrowException):
        return _around(folder, part)
    folded = write_file(paths[0].parent, kind, table)
    for path in paths:
        if path != folded:
            path.unlink(missing_ok=True)
    sync_folder(folded.parent)
    return Compaction(len(part), 1, sum(rows for _, rows in part), table.num_rows)


def _around(folder: str, part: Sequence[tuple[Path, int]]) -> Compaction:
    """Fold those files of a part that can be read to their end: a footer may be sound where rows are not."""
    kind = kind_of(folder)
    sound, unreadable = [], []
    for path, rows in part:
        try:
            read_files(kind, [path])
            sound.append((path, rows))
        except FileNotFoundError:
            continue
        except (OSError, pa.ArrowException) as error:
            unreadable.append((path, reason_of(error)))
    result = Compaction(unreadable=tuple(unreadable))
    return result + _fold(folder, sound) if unreadable and len(sound) > 1 else result


def expired(directory: str | os.PathLike[str], tiers: Tiers, now: int) -> list[Path]:
    """The files whose every row is past its tier's retention at time ``now`` (ms)."""
    found = []
    for folder, (retention, length) in _retentions(tiers).items():
        if retention:
            oldest = now - retention
            found += [file.path for file in files(directory, folder, end=oldest) if file.name.last + length <= oldest]
    return found


def retain(directory: str | os.PathLike[str], tiers: Tiers, now: int) -> list[Path]:
    """Delete the :func:`expired` files, and what crashed writers left behind a day ago.

    Returns:
        the deleted files of the store.

    Raises:
        OSError: a file cannot be deleted.
    """
    deleted = expired(directory, tiers, now)
    for path in deleted:
        path.unlink(missing_ok=True)
    for folder in _retentions(tiers):
        _tidy(Path(directory) / folder, now)
    return deleted


def _retentions(tiers: Tiers) -> dict[str, tuple[int, int]]:
    """By folder its retention and how long a row reaches from its time on, both in ms."""
    return {
        RAW: (tiers.raw_retention_ms, 0),
        **{tier.name: (tier.retention_ms, tier.window_ms) for tier in tiers.rollups},
    }


def _tidy(folder: Path, now: int) -> None:
    for temporary in [*folder.glob(f"date=*/.*{TEMPORARY}"), *folder.parent.glob(f"{RUNS}/.*{TEMPORARY}")]:
        # No writer takes a day over one file.
        if temporary.stat().st_mtime * 1_000 < now - DAY_MS:
            temporary.unlink(missing_ok=True)
    for day in folder.glob("date=*"):
        with suppress(OSError):  # Not empty, or gone.
            day.rmdir()
