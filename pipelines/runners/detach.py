"""``--detach``: leave a job to its job server. Checks what that needs, and prints how to watch and stop the job."""

from __future__ import annotations

import time

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult, PipelineState

from pipelines.runners.options import RunnerError

POLL_S = 0.2
_WAITING = frozenset({PipelineState.UNKNOWN, PipelineState.STARTING, PipelineState.STOPPED, PipelineState.PENDING})


def check_detachable(settings: PipelineOptions, bounded: bool) -> None:
    """Refuse ``--detach`` for jobs that cannot be detached.

    Raises:
        RunnerError: the job is bounded, or has no job server that outlives the submission.
    """
    if bounded:
        raise RunnerError("--detach is for jobs without an end: a bounded one ends with its balance, so wait for it")
    if not settings.get_all_options().get("job_endpoint"):
        raise RunnerError(
            "--detach needs --job_endpoint=HOST:PORT, a job server that goes on when this command has ended "
            "(`tidemark stack up` has one, and `tidemark submit` knows its address)"
        )


def detach(result: PipelineResult, settings: PipelineOptions) -> str:
    """Wait until the job server runs the job, and return the job's name.

    Raises:
        RunnerError: the job failed before it ran; the message is from the job server.
    """
    state = result.state
    while state in _WAITING:
        time.sleep(POLL_S)
        state = result.state
    if state != PipelineState.RUNNING:
        try:
            result.wait_until_finish()
        except RuntimeError as error:
            raise RunnerError(f"the job server could not run the job: {error}") from None
        raise RunnerError(f"the job was {state} before it ran; the job server's log says why")
    return str(settings.get_all_options()["job_name"])


def advice(program: str, name: str) -> str:
    """How to watch and stop the detached job of that name, which ``tidemark run PROGRAM`` started."""
    return (
        f"{program}: job {name} runs\n"
        "  look at it:  GET http://FLINK:8081/jobs/overview, or Flink's web page, under that name\n"
        '  stop it:     POST http://FLINK:8081/jobs/ID/stop with {"drain": false}: it leaves a savepoint, from which the same command\n'
        f"               with --savepoint_path=PATH goes on; on the local stack: tidemark submit --stop --name={name}"
    )
