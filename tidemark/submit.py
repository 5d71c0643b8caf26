"""``tidemark submit``: run a job on the local stack's Flink, with its addresses filled in, or stop it with a savepoint."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import StackError
from deploy.parts import CATALOGUE, influxdb
from deploy.stack import Stack
from pipelines import alerts, metrics
from pipelines.runners.flink import Flink, FlinkError, Job
from pipelines.runners.options import option_value
from schemas.alert_event import TOPIC_ALERT_EVENTS
from schemas.records import TOPIC_RAW
from services.kit.arguments import Parser
from services.kit.outputs import check_directory, path
from services.kit.suggestions import did_you_mean

DEFAULT_NAME = metrics.JOB.name
JOBS = {metrics.JOB.name: metrics.run, alerts.JOB.name: alerts.run}
START_SECONDS = 120.0

EPILOG = """\
Every other option is the job's own, or Beam's: `tidemark run JOB --help`. What is not given is taken from the stack:
--input (topic metrics.raw), --output (its InfluxDB; the alerts job has none), the runner's addresses, --checkpointing_interval=10000,
--parallelism=2.

examples:
  tidemark stack up && tidemark submit metrics       the job runs when the command returns
  tidemark submit metrics --start=latest --plan      what would run
  tidemark submit metrics --rules=rules/             with alert rules; their events go to the topic alerts.events
  tidemark submit alerts --rules=rules/              the rules alone, as a job of its own
  tidemark submit --stop                             stop it; the savepoint's path is printed
  tidemark submit metrics --savepoint_path=PATH      go on from there: nothing lost, nothing doubled
"""


class SubmitError(Exception):
    """The command failed; the message says what to do."""


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
    def of(cls, stack: Stack) -> Addresses:
        """The addresses of a running stack.

        Raises:
            SubmitError: a part of the stack does not run.
        """
        down = [name for name in CATALOGUE.names if not stack.running(name)]
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
        OptionError, RunnerError, SinkError, LookupError: as :func:`pipelines.job.run`.
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


def _parser() -> Parser:
    """The command line. Unknown options are the job's."""
    parser = Parser(
        lenient=True,
        prog="tidemark submit",
        usage="tidemark submit metrics|alerts [OPTIONS of the job]\n       tidemark submit --stop [--savepoint DIR] [--name NAME]",
        description="Run a job on the local stack's Flink, or stop it with a savepoint (never a drain).",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("job", nargs="?", choices=sorted(JOBS), help="the job to run")
    add("--stop", action="store_true", help="stop the running job with a savepoint")
    add("--savepoint", metavar="DIR", help="with --stop: where to (default: the stack's own directory of savepoints)")
    add("--name", default=DEFAULT_NAME, help="with --stop: the name of the job, its --job_name (default: metrics)")
    add(
        "--dir",
        type=Path,
        default=Path(os.environ.get("TIDEMARK_STACK_DIR") or ".tidemark/stack"),
        help="the stack's directory (default: $TIDEMARK_STACK_DIR, else .tidemark/stack)",
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """The command; 0 when done, 1 when the stack or Flink does not do it, 2 for a mistake in the options, 3 for a bounded run with losses."""
    parser = _parser()
    args, rest = parser.parse_known_args(list(argv))
    if args.stop == bool(args.job):
        parser.error("write a job to run it, or --stop to stop it")
    if args.stop and rest:
        near = did_you_mean(rest[0].partition("=")[0], parser.options)
        parser.error(f"--stop takes no options of the job: {' '.join(rest)}{near}")
    try:
        at = Addresses.of(Stack(args.dir))
        if args.stop:
            stop(args.name, savepoint_directory(args.savepoint), at)
            return 0
        return submit(args.job, rest, at)
    except (SubmitError, FlinkError, StackError) as error:
        print(f"tidemark submit: {error}", file=sys.stderr)
        return 1
    except metrics.REFUSALS as error:
        print(f"tidemark submit: {error}", file=sys.stderr)
        return 2
