"""A command, as a person runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tidemark import cli


def command(*names: str) -> Callable[[Iterable[object]], int]:
    """``tidemark NAMES...``: given the words after the names, it returns the exit status."""
    return lambda words: cli.main([*names, *map(str, words)])
