"""Leaving a job to its job server: what is refused, and what is waited for."""

from __future__ import annotations

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineState

from pipelines.runners import detach
from pipelines.runners.options import RunnerError

SETTINGS = PipelineOptions(["--job_endpoint=127.0.0.1:8099", "--job_name=m"])


class Submitted:
    """A submission whose state moves on each time it is asked; waiting for one that failed raises what the job server said."""

    def __init__(self, *states: str) -> None:
        self._states = list(states)
        self.waited = False

    @property
    def state(self) -> str:
        return self._states.pop(0)

    def wait_until_finish(self) -> None:
        self.waited = True
        raise RuntimeError("no slots")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detach, "POLL_S", 0)


def test_it_waits_until_the_job_runs() -> None:
    result = Submitted(PipelineState.STOPPED, PipelineState.STARTING, PipelineState.RUNNING)
    assert detach.detach(result, SETTINGS) == "m"
    assert not result.waited


def test_a_job_that_fails_before_it_runs_says_why() -> None:
    result = Submitted(PipelineState.STARTING, PipelineState.FAILED)
    with pytest.raises(RunnerError, match="the job server could not run the job: no slots"):
        detach.detach(result, SETTINGS)


def test_a_bounded_job_and_one_without_a_job_server_are_refused() -> None:
    detach.check_detachable(SETTINGS, bounded=False)
    with pytest.raises(RunnerError, match="a bounded one ends with its balance"):
        detach.check_detachable(SETTINGS, bounded=True)
    with pytest.raises(RunnerError, match="--detach needs --job_endpoint=HOST:PORT"):
        detach.check_detachable(PipelineOptions(["--runner=PrismRunner"]), bounded=False)


def test_what_can_be_done_with_the_job_names_it() -> None:
    said = detach.advice("alerts", "night")
    assert said.startswith("alerts: job night runs\n")
    assert said.endswith("tidemark submit --stop --name=night")
