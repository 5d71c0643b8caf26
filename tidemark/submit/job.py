"""``tidemark submit``: run a job on the local stack's Flink, with its addresses filled in, or stop it with a savepoint."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.parts import CATALOGUE, influxdb
from deploy.stack import Stack
from pipelines import alerts, metrics
from pipelines.runners.flink import Flink, Job
from pipelines.runners.options import option_value
from schemas.alert_event import TOPIC_ALERT_EVENTS
from schemas.errors import FAILURE, UserError
from schemas.records import TOPIC_RAW
from services.kit.outputs import check_directory, path
from tidemark.submit.arguments import DEFAULT_NAME

JOBS = {metrics.JOB.name: metrics.run, alerts.JOB.name: alerts.run}
START_SECONDS = 120.0


class SubmitError(UserError):
    """The command failed; the message says what to do."""

    status = FAILURE


@dataclass(frozen=True)
class Addresses:
    """Where the parts of a stack are, ``host:port`` each, and the file with InfluxDB's token."""

    kafka: str
    influxdb: str
    influx_token_file: Path
    flink: str
    jobserver: str
    artifacts: str
    workers: str

    @classmethod
    def of(cls, stack: Stack, needed: Collection[str]) -> Addresses:
        """The addresses of a stack.

        Raises:
            SubmitError: a part that is needed does not run.
        """
        down = [name for name in CATALOGUE.names if name in needed and not stack.running(name)]
        if down:
            raise SubmitError(f"{', '.join(down)} of {stack.directory} not running: tidemark stack up")
        return cls(
            kafka=stack.address("kafka"),
            influxdb=stack.address("influxdb"),
            influx_token_file=influxdb.token_file(stack.instance),
            flink=stack.address("flink"),
            jobserver=stack.address("jobserver"),
            artifacts=stack.address("jobserver-artifact"),
            workers=stack.address("workers"),
        )


def needed_parts(job: str | None, args: Sequence[str]) -> set[str]:
    """The parts of the stack that a job with these options uses; without a job, those that stopping one uses."""
    if job is None:
        return set(CATALOGUE.groups["flink"])
    with_input = option_value(args, "input") is not None
    with_output = job == alerts.JOB.name or option_value(args, "output") is not None
    # Dead letters and late samples go beside the input.
    return set(CATALOGUE.names) - ({"kafka"} if with_input else set()) - ({"influxdb"} if with_output else set())


def job_args(args: Sequence[str], at: Addresses, job: str = DEFAULT_NAME) -> list[str]:
    """The job's command line: the arguments, and defaults for missing options."""
    output = {"output": f"influxdb://{at.influxdb}?token_file={at.influx_token_file}"}
    defaults = {
        "input": f"kafka://{at.kafka}/{TOPIC_RAW}",
        **(output if job == metrics.JOB.name else {}),
        "runner": "PortableRunner",
        "job_endpoint": at.jobserver,
        "artifact_endpoint": at.artifacts,
        "environment_type": "EXTERNAL",
        "environment_config": at.workers,
        "checkpointing_interval": "10000",
        "parallelism": "2",
        "job_name": job,
    }
    missing = [f"--{name}={value}" for name, value in defaults.items() if option_value(args, name) is None]
    ends = any(option_value(args, name) is not None for name in ("bounded", "detach", "plan"))
    return [*args, *missing, *([] if ends else ["--detach"])]


def submit(job: str, args: Sequence[str], at: Addresses) -> int:
    """Run a job, and print how to use it. A bounded job is reported, and its exit status returned.

    Raises:
        SubmitError: a job of that name runs already: both would read and write the same.
        FlinkError: Flink does not run it.
        OptionError, RunnerError, InputError, SinkError: as :func:`pipelines.job.run`.
    """
    args = job_args(args, at, job)
    name = option_value(args, "job_name") or job
    flink = Flink(at.flink)
    check_savepoint(option_value(args, "savepoint_path"))
    if "--plan" not in args and (running := flink.jobs(name)):
        raise SubmitError(
            f"job {name} runs already ({running[0].id}): stop it with `{_stop_command(name)}`, or give this one another --job_name"
        )
    result = JOBS[job](args)
    if result.detached is None:
        return result.report(job)
    running_job = flink.wait_running(result.detached, START_SECONDS)
    print("\n".join([f"job {name} runs: {flink.url}/jobs/{running_job.id}", *_advice(job, name, args, at)]))
    return 0


def _advice(job: str, name: str, args: Sequence[str], at: Addresses) -> list[str]:
    lines = [f"  feed it:    tidemark generate metrics --realtime --output=kafka://{at.kafka}/{TOPIC_RAW}"]
    if job == metrics.JOB.name:
        lines.append(
            f"  its rows:   http://{at.influxdb}, buckets raw, rollup_1m, rollup_1h; the token is in {at.influx_token_file}"
        )
    if option_value(args, "rules") is not None:
        lines.append(f"  its alerts: {option_value(args, 'alerts') or f'topic {TOPIC_ALERT_EVENTS} at {at.kafka}'}")
    return [
        *lines,
        "  its log:    tidemark stack logs workers flink-taskmanager",
        f"  stop it:    {_stop_command(name)}",
    ]


def _stop_command(name: str) -> str:
    return "tidemark submit --stop" + (f" --name={name}" if name != DEFAULT_NAME else "")


def check_savepoint(place: str | None) -> None:
    """Refuse a missing savepoint, for which Flink would only show a stack trace."""
    if place is None or "://" in place:
        return
    directory = path(place.removeprefix("file:"))
    if not (directory / "_metadata").exists() and directory.name != "_metadata":
        raise SubmitError(
            f"--savepoint_path={place}: there is no savepoint (no file _metadata); `tidemark submit --stop` prints the path of the one it makes"
        )


def savepoint_directory(place: str | None) -> str | None:
    """The directory of a savepoint for Flink: absolute, because Flink's processes have other working directories.

    Raises:
        OutputError: nothing can be written there.
    """
    if place is None or "://" in place:
        return place
    return str(check_directory("--savepoint", place.removeprefix("file:")))


def stop(name: str, directory: str | None, at: Addresses) -> None:
    """Stop the job of that name with a savepoint, and print its path.

    Raises:
        SubmitError: no such job runs.
        FlinkError: the savepoint failed; the job continues.
    """
    flink = Flink(at.flink)
    jobs: list[Job] = flink.jobs(name)
    if not jobs:
        others = ", ".join(job.name for job in flink.jobs()) or "none"
        raise SubmitError(f"no job {name} runs at {flink.url}; running: {others}")
    path = flink.stop(jobs[0].id, directory)
    print(
        f"job {name} is stopped, its savepoint is\n{path}\n"
        f"go on from it: the command that started it, with --savepoint_path={path}"
    )


def run(args: argparse.Namespace, rest: Sequence[str]) -> int:
    """Do what a command line asks.

    Args:
        args: of ``tidemark submit``.
        rest: the options of the job.

    Returns:
        the exit status: 0 when done, 3 for a bounded run with losses.

    Raises:
        UserError: with status 1 when the stack or Flink does not do it, with 2 for a mistake in the options.
    """
    at = Addresses.of(Stack(args.dir), needed_parts(args.job, rest))
    if args.stop:
        stop(args.name, savepoint_directory(args.savepoint), at)
        return 0
    return submit(args.job, rest, at)
