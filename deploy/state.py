"""``state.json``: what an instance of the stack remembers between commands."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from deploy.errors import StackError
from deploy.process import Identity

FORMAT = 1


@dataclass
class State:
    """An instance's memory.

    Attributes:
        ports: port numbers by name, such as ``kafka`` or ``jobserver-artifact``; chosen once, kept until wiped.
        settings: what `deploy.settings.Settings` holds, as JSON.
        processes: what was started and not stopped, by part.
        versions: the version of each part that was started, by part.
    """

    ports: dict[str, int] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)
    processes: dict[str, Identity] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


def load(path: Path) -> State:
    """Read a state file; an absent one is an empty state.

    Raises:
        StackError: when the file is not one of ours.
    """
    if not path.exists():
        return State()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']}, expected {FORMAT}")
        processes = {part: Identity(**identity) for part, identity in document["processes"].items()}
        return State(document["ports"], document["settings"], processes, document["versions"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StackError(
            f"{path} is not a state file of this stack ({error}). "
            "If none of its processes runs any more, delete it and start again."
        ) from error


def save(path: Path, state: State) -> None:
    """Write a state file whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps({"format": FORMAT, **asdict(state)}, indent=2) + "\n", encoding="utf-8")
    os.replace(partial, path)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the instance: two commands that start or stop its parts take turns."""
    with (directory / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
