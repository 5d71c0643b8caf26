"""Rule files as a source: read once to begin with, then watched while the job runs.

What cannot be read takes nothing away: if a path leads to no rule file, for a moment or because a worker has no such folder, nothing is sent, and
the rules that were last sent (those of the submission, if none were) stay in force. To take all rules away, leave a file with ``groups: []``.
"""

from __future__ import annotations

import glob
import hashlib
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import orjson
from apache_beam.coders import Coder
from apache_beam.io.iobase import RestrictionProgress, RestrictionTracker
from apache_beam.io.restriction_trackers import OffsetRange
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.utils.timestamp import MAX_TIMESTAMP, Duration

from rules.files.other_files import is_other, kind_of
from transforms.alerts import messages
from transforms.alerts.messages import RuleFiles
from transforms.io.beam import RangeCoder

SUFFIXES = (".yml", ".yaml")
SETTLED_S = 1.0
"""A file that was written to less than this ago may not be whole yet; it is looked at again with the next poll."""

_NOTHING_SENT = 0
_END = (1 << 63) - 1
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RuleSource:
    """Where rule files are.

    Attributes:
        paths: of files, directories (their ``*.yml`` and ``*.yaml`` that are not hidden, not those of directories in them) or glob patterns. Unit
            tests and the like that a directory or a pattern leads to are left out (:mod:`rules.files.other_files`).
        poll_ms: how often they are looked at; whole seconds, at least one.
    """

    paths: tuple[str, ...]
    poll_ms: int = 10_000


def read_files(paths: Sequence[str]) -> dict[str, str]:
    """The texts of rule files, by name; bytes that are no UTF-8 are replaced.

    A file's name is its path below what was given: the directory, the fixed beginning of the pattern, or the directory of the file. If
    an earlier path has led to another file of that name, the place of the path among all follows: ``hosts.yml (2)``. A file that several paths lead
    to counts once.

    Raises:
        OSError: a path leads to no rule file, or to one that cannot be read; the message names it.
    """
    return _read(_find(paths))


def left_out_files(paths: Sequence[str]) -> list[tuple[str, str]]:
    """Names and kinds of the files that :func:`read_files` leaves out, since they are no rule files.

    Raises:
        OSError: as :func:`read_files`.
    """
    come_upon = {name: file.path for name, file in _find(paths).items() if not file.named}
    kinds = {name: kind_of(Path(path).read_bytes().decode(errors="replace")) for name, path in come_upon.items()}
    return [(name, kind) for name, kind in kinds.items() if kind is not None]


class _File(NamedTuple):
    """Where a file is, and whether it was named itself, and not come upon."""

    path: str
    named: bool


def _find(paths: Sequence[str]) -> dict[str, _File]:
    """Where the files are, by name."""
    found: dict[str, _File] = {}
    seen: set[str] = set()
    for place, path in enumerate(paths, 1):
        for name, file in _below(path):
            real = os.path.realpath(file)
            if real not in seen:
                seen.add(real)
                found[name if name not in found else f"{name} ({place})"] = _File(file, file == path)
    return found


def _below(path: str) -> list[tuple[str, str]]:
    """Names and files that a path leads to, in the order of the names."""
    if os.path.isdir(path):
        names = [each for each in os.listdir(path) if each.endswith(SUFFIXES) and not each.startswith(".")]
        found = [(name, os.path.join(path, name)) for name in sorted(names)]
        what = "no rule files (*.yml, *.yaml) in the directory"
    elif os.path.lexists(path) or not glob.has_magic(path):
        found, what = [(os.path.basename(path), path)], "no such file or directory"
    else:
        fixed = os.path.dirname(path[: _magic_at(path)])
        found = [
            (Path(os.path.relpath(each, fixed or ".")).as_posix(), each)
            for each in sorted(glob.glob(path, recursive=True))
        ]
        what = "no file matches"
    found = [(name, file) for name, file in found if os.path.isfile(file)]
    if not found:
        raise FileNotFoundError(f"{what}: {path}")
    return found


def _magic_at(pattern: str) -> int:
    """Where a pattern's first special character is."""
    return min(pattern.index(each) for each in "*?[" if each in pattern)


def _read(files: Mapping[str, _File], earlier: Mapping[str, str] | None = None) -> dict[str, str]:
    """The texts of those that are rule files; one that was a rule file ``earlier`` is a broken one now, and none of another kind."""
    texts = {name: Path(file.path).read_bytes().decode(errors="replace") for name, file in files.items()}
    found = {
        name: text for name, text in texts.items() if files[name].named or name in (earlier or ()) or not is_other(text)
    }
    if not found:
        raise FileNotFoundError(f"none of these is a rule file: {', '.join(file.path for file in files.values())}")
    return found


class RuleFilesWatch:
    """Rule files, looked at over and over."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = tuple(paths)
        self._states: dict[str, tuple[int, ...]] = {}
        self._texts: dict[str, str] = {}
        self._fault = ""

    def poll(self, now_s: float) -> dict[str, str] | None:
        """The texts as they are now, by name; None if a path cannot be read, or a file is just being written.

        The first time that something cannot be read is logged. Files whose time and size are as they were are not read again.
        """
        try:
            files = _find(self._paths)
            states = {name: _state(file.path) for name, file in files.items()}
            if states != self._states or not self._texts:
                texts = _read(files, self._texts)
                whole = all(not 0 <= now_s - changed / 1e9 < SETTLED_S for changed, *_ in states.values())
                if not whole or {name: _state(file.path) for name, file in files.items()} != states:
                    return None
                self._states, self._texts = states, texts
        except OSError as error:
            fault = str(error)
            if fault != self._fault:
                _log.warning("rule files cannot be read, and those in force stay: %s", fault)
            self._fault = fault
            return None
        self._fault = ""
        return self._texts


def _state(file: str) -> tuple[int, ...]:
    found = os.stat(file)
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _version(texts: Mapping[str, str]) -> int:
    """A hash of 63 bits."""
    content = orjson.dumps(texts, option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big") >> 1


class _SentTracker(RestrictionTracker):
    """A restriction that begins at the version last sent; what remains is all that comes after it, in whatever order hashes come."""

    def __init__(self, versions: OffsetRange) -> None:
        self._versions = versions
        self._handed_back = False

    def current_restriction(self) -> OffsetRange:
        return self._versions

    def try_claim(self, position: int) -> bool:
        if self._handed_back:
            return False
        self._versions = OffsetRange(position, _END)
        return True

    def try_split(self, fraction_of_remainder: float) -> tuple[OffsetRange, OffsetRange] | None:
        if fraction_of_remainder != 0 or self._handed_back:
            return None
        self._handed_back = True
        return self._versions, self._versions

    def check_done(self) -> bool:
        if not self._handed_back:
            raise ValueError("rule files are watched without an end")
        return True

    def current_progress(self) -> RestrictionProgress:
        return RestrictionProgress(completed=0.0, remaining=1.0)

    def is_bounded(self) -> bool:
        return False


_WATERMARK = beam.DoFn.WatermarkEstimatorParam(ManualWatermarkEstimator.default_provider())


class _WatchFiles(beam.DoFn, RestrictionProvider):
    """Looks at the files once a call; what was last sent is part of a checkpoint, so nothing is sent twice, or lost."""

    def __init__(self, source: RuleSource) -> None:
        self._source = source

    def initial_restriction(self, element: bytes) -> OffsetRange:
        """Nothing was sent: the first that can be read is, and is no change where it is in force already."""
        return OffsetRange(_NOTHING_SENT, _END)

    def create_tracker(self, restriction: OffsetRange) -> _SentTracker:
        """Claims by version."""
        return _SentTracker(restriction)

    def restriction_size(self, element: bytes, restriction: OffsetRange) -> int:
        """No size is known."""
        return 1

    def restriction_coder(self) -> Coder:
        """That of all splittable steps: Flink's runner gives those whose elements are alike one coder of restrictions, whichever it meets first."""
        return RangeCoder()

    def truncate(self, element: bytes, restriction: OffsetRange) -> None:
        """A drain looks no more."""

    def setup(self) -> None:
        """Begin without a memory of the files."""
        self._watch = RuleFilesWatch(self._source.paths)

    @beam.DoFn.unbounded_per_element()
    def process(
        self, element: bytes, tracker: Any = beam.DoFn.RestrictionParam(), estimator: Any = _WATERMARK
    ) -> Iterator[bytes]:
        now_s = time.time()
        texts = self._watch.poll(now_s)
        if texts is not None:
            version = _version(texts)
            if version != tracker.current_restriction().start:
                if not tracker.try_claim(version):
                    return
                yield messages.of_rules(RuleFiles(int(now_s * 1000), texts))
        # This step knows no event time, and must not hold back that of the samples; short of the end of time, which would end the job.
        estimator.set_watermark(MAX_TIMESTAMP - Duration(seconds=86_400))
        tracker.defer_remainder(Duration(seconds=max(1, self._source.poll_ms // 1000)))


class WatchRules(beam.PTransform):
    """Rule files while the job runs: an element (:func:`transforms.alerts.messages.of_rules`) at first, and one whenever their texts have changed."""

    def __init__(self, source: RuleSource) -> None:
        super().__init__()
        self._source = source

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """One element that is worked on for ever."""
        return (
            begin
            | "Paths" >> beam.Create([orjson.dumps(self._source.paths)])
            | "Watch" >> beam.ParDo(_WatchFiles(self._source)).with_output_types(bytes)
        )
