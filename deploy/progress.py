"""How installs and starts report what they are doing: a spinner on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console


class Reporter(Protocol):
    """Receives the steps of a longer operation."""

    def step(self, label: str) -> AbstractContextManager[None]:
        """A context manager around one step; the label says what is done, in the present participle."""

    def note(self, text: str) -> None:
        """One finished fact, such as a part that already runs."""


class Silent:
    """Reports nothing: the default of the Python API."""

    @contextmanager
    def step(self, label: str) -> Iterator[None]:
        yield

    def note(self, text: str) -> None:
        pass


class Plain:
    """One line when a step begins and one when it ends, with its duration: for logs and CI."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stderr

    @contextmanager
    def step(self, label: str) -> Iterator[None]:
        began = time.monotonic()
        self._print(f"{label} ...")
        try:
            yield
        except BaseException:
            self._print(f"{label}: failed after {time.monotonic() - began:.1f} s")
            raise
        self._print(f"{label}: done in {time.monotonic() - began:.1f} s")

    def note(self, text: str) -> None:
        self._print(text)

    def _print(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class Terminal:
    """A spinner with the elapsed time while a step runs, and a line that stays when it is done."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, label: str) -> Iterator[None]:
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        began = time.monotonic()
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        try:
            with Progress(*columns, console=self._console, transient=True) as progress:
                progress.add_task(label, total=None)
                yield
        except BaseException:
            self._print(f"✗ {label} ({time.monotonic() - began:.1f} s)", "red")
            raise
        self._print(f"✓ {label} ({time.monotonic() - began:.1f} s)", "green")

    def note(self, text: str) -> None:
        self._print(f"· {text}", "dim")

    def _print(self, text: str, style: str) -> None:
        self._console.print(text, style=style, markup=False, highlight=False)


def for_stderr() -> Reporter:
    """The reporter that suits standard error: a spinner on a terminal, else plain lines."""
    # Not before: it takes longer than the help of `tidemark stack` may.
    from rich.console import Console

    console = Console(stderr=True)
    return Terminal(console) if console.is_terminal else Plain()


SILENT = Silent()
