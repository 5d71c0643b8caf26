"""What `Stack.status` returns for each part."""

from __future__ import annotations

from dataclasses import dataclass

from deploy.parts.base import Instance, Part
from deploy.state import State


@dataclass(frozen=True)
class Status:
    """One line of ``tidemark stack status``.

    Attributes:
        part: its name.
        state: ``running``, ``dead`` (started, and gone without a stop) or ``stopped``.
        pid: the process, when it runs.
        address: ``host:port``, None for a part without a port of its own.
        since: when it was started, seconds since the epoch; None when it does not run.
        version: what it runs.
        log: the file that has its output.
    """

    part: str
    state: str
    pid: int | None
    address: str | None
    since: float | None
    version: str
    log: str


def status(part: Part, state: State, instance: Instance) -> Status:
    """The status of one part, from its process."""
    identity = state.processes.get(part.name)
    alive = identity is not None and identity.alive()
    port = next(iter(part.ports), None)
    return Status(
        part=part.name,
        state="running" if alive else "dead" if identity else "stopped",
        pid=identity.pid if identity and alive else None,
        address=instance.address(port) if port and port in instance.ports else None,
        since=identity.started if identity and alive else None,
        version=state.versions.get(part.name, part.version),
        log=str(instance.directory / "logs" / f"{part.name}.log"),
    )
