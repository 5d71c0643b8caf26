"""What :mod:`transforms.losses.findings` finds: its form, and what it may depend on. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from schemas.batch import MIN_WATERMARK
from transforms.losses.examples import Example


class Severity(Enum):
    """``LOSS``: the run has no result, or an output lacks rows that it should have; the exit status says so. ``WARNING``: worth a look."""

    LOSS = "loss"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """Something to know.

    Attributes:
        code: a name that stays.
        severity: what it means for the run.
        text: what happened, in a sentence.
        examples: of it; empty where the runner carries none.
        advice: what to do, a sentence each.
    """

    code: str
    severity: Severity
    text: str
    examples: tuple[Example, ...] = ()
    advice: tuple[str, ...] = ()

    def details(self) -> list[str]:
        """Examples and advice as text, a line each."""
        lines: list[str] = []
        for example in self.examples:
            first, *rest = example.lines()
            lines += [f"  {'and' if lines else 'e.g.'} {first}", *(f"     {line}" for line in rest)]
        return [*lines, *(f"  {line}" for line in self.advice)]


@dataclass(frozen=True)
class Setup:
    """What advice depends on.

    Attributes:
        dead_letters, late: where dead letters and samples too late are, in words.
        files, topics: whether files, and topics, were read.
        file_events: whether the watermark of files followed their event times.
        lateness_ms: that was allowed.
        since_ms: samples before it were left out.
        default_content_type: of records that do not say theirs; None if each is detected by its content.
    """

    dead_letters: str
    late: str
    files: bool = False
    topics: bool = False
    file_events: bool = False
    lateness_ms: int = 0
    since_ms: int = MIN_WATERMARK
    default_content_type: str | None = None
