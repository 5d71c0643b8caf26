"""Real servers for end-to-end tests: one private instance of the stack for the whole session, on free ports.

Parts start when the first test asks for them and are stopped at the end. A test may kill what it likes: whatever it left
dead is started again before the next test.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from deploy.progress import Plain
from deploy.stack import Stack


@pytest.fixture(scope="session")
def idle_stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The session's stack with nothing started; a test starts the parts it wants with ``up``."""
    stack = Stack(tmp_path_factory.mktemp("stack"), ports="free")
    with pytest.MonkeyPatch.context() as patch:
        # Workers import the functions of a job by name, those of test modules too.
        patch.setenv("PYTHONPATH", str(request.config.rootpath), prepend=os.pathsep)
        yield stack
    # After a failure the logs and the data are what a person needs.
    stack.down(wipe=not request.session.testsfailed)


@pytest.fixture(scope="session")
def stack(idle_stack: Stack) -> Stack:
    """The session's stack with all parts up."""
    idle_stack.up(progress=Plain())
    return idle_stack


@pytest.fixture(scope="session")
def kafka(idle_stack: Stack) -> str:
    """``host:port`` of the session's Kafka; starts nothing else."""
    idle_stack.up(["kafka"], progress=Plain())
    return idle_stack.address("kafka")


@pytest.fixture(scope="session")
def influxdb(idle_stack: Stack) -> str:
    """The URL of the session's InfluxDB (token: ``idle_stack.influx_token``); starts nothing else."""
    idle_stack.up(["influxdb"], progress=Plain())
    return f"http://{idle_stack.address('influxdb')}"


@pytest.fixture(autouse=True)
def healed(request: pytest.FixtureRequest) -> None:
    """Start again what an earlier test killed."""
    if "idle_stack" in request.fixturenames:
        stack: Stack = request.getfixturevalue("idle_stack")
        dead = [status.part for status in stack.status() if status.state == "dead"]
        if dead:
            stack.up(dead)
