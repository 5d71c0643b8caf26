"""The Beam worker pool: runs the Python side of jobs in the environment this code runs in."""

from __future__ import annotations

import sys
from importlib import metadata

from deploy.parts.base import Command, Instance, Part
from deploy.ports import is_open


def command(instance: Instance) -> Command:
    """The pool's command line; its workers run this interpreter, wherever PATH points."""
    return Command([sys.executable, "-m", "deploy.workers.pool", f"--port={instance.ports['workers']}"])


def ready(instance: Instance) -> bool:
    """Whether the pool listens."""
    return is_open(instance.ports["workers"])


PART = Part(
    name="workers",
    ports={"workers": 50000},
    version=metadata.version("apache-beam"),
    recipes=(),
    tools=(),
    command=command,
    ready=ready,
    term_seconds=15.0,
)
