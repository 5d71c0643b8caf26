"""Beam's options for each runner: the defaults that a streaming job needs. The command line overrides them."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from typing import NoReturn

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions, StandardOptions
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.runner import PipelineResult

from schemas.errors import UserError
from services.kit.suggestions import did_you_mean, nearest

LOCAL = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
LOCAL_RUNNERS = ("directrunner", "fnapirunner", "prismrunner")
"""Runners without options that the SDK does not know, in lower case."""

_JOB_SERVER_TIMEOUT_S = 10.0
# Parts of Beam's messages if it cannot get or run the jar of a job server.
_NO_JOB_SERVER = ("job server jar", "Java must be installed")
_BUNDLE_TIME = "max_bundle_time_mills"
# Lower than the usual cutoff would refuse options of a job server that resemble one of the job's.
_ALIKE = 0.75


class RunnerError(UserError):
    """The runner cannot run this job; the message says which can."""


def beam_options(args: Sequence[str], bounded: bool, name: str = "metrics") -> PipelineOptions:
    """Beam's options, from the arguments that are not the job's own.

    Args:
        args: the arguments.
        bounded: whether the job ends by itself.
        name: of the job in the runner, unless the arguments set it.

    Raises:
        RunnerError: an argument is no option of the runner, or the runner cannot run the job.
    """
    runner = _runner(args)
    own: dict[str, str] = {} if bounded else {"streaming": ""}
    runner_options: set[str] = set()
    if runner in ("directrunner", "fnapirunner"):
        if not bounded:
            raise RunnerError(
                "the local runner only runs jobs that come to an end: add --bounded, or take --runner=PrismRunner, "
                "or a Flink cluster (docs/operations.md)"
            )
        # DirectRunner itself picks this runner for batch, but tries to fetch Prism first.
        args = [*_without(args, "runner"), f"--runner={LOCAL}"]
        # The only setting of the state cache that its workers read. _flink explains why it is zero.
        worker_handlers.STATE_CACHE_SIZE_MB = 0
    elif runner == "prismrunner":
        found = shutil.which("prism")
        if found:
            own["prism_location"] = found
    elif runner in ("flinkrunner", "portablerunner"):
        own |= _flink(args, bounded, name)
        endpoint = option_value(args, "job_endpoint")
        if endpoint:
            runner_options = _describe(endpoint)
            if _BUNDLE_TIME not in runner_options:
                # A job server of another runner.
                own.pop(_BUNDLE_TIME, None)
    missing = [
        f"--{name}={value}" if value else f"--{name}" for name, value in own.items() if option_value(args, name) is None
    ]
    args = [*args, *missing]
    _check(
        args,
        runner_options,
        known_runner=bool(runner_options) or runner in LOCAL_RUNNERS,
    )
    # The SDK warns about every option that only the job server knows. _check has just checked them.
    logging.getLogger("apache_beam.options.pipeline_options").setLevel(logging.ERROR)
    return PipelineOptions(args)


def started(pipeline: beam.Pipeline) -> PipelineResult:
    """Run the pipeline, and return its result object while it runs.

    Raises:
        RunnerError: the runner tries to start its own job server, and fails.
    """
    try:
        return pipeline.run()
    except RuntimeError as error:
        if not any(sign in str(error) for sign in _NO_JOB_SERVER):
            raise
        raise RunnerError(
            f"without --job_endpoint the runner starts a job server of its own, and cannot: {str(error).partition(': ')[0]}; name one that "
            "runs with --job_endpoint=HOST:PORT, or take `tidemark stack up` and `tidemark submit`"
        ) from None


def keeps_order(options: PipelineOptions) -> bool:
    """Whether the runner keeps the order of elements between steps, and for each key. Flink does so in streaming jobs.

    Raises:
        RunnerError: the job server does not answer.
    """
    runner = _runner([f"--runner={options.view_as(StandardOptions).runner or 'DirectRunner'}"])
    endpoint = options.view_as(PortableOptions).job_endpoint
    if runner == "portablerunner" and endpoint:
        return "flink_master" in _describe(endpoint)
    return runner == "flinkrunner"


def _without(args: Sequence[str], name: str) -> list[str]:
    """The arguments without an option and its value, which may be a separate argument."""
    value = option_value(args, name)
    return [
        argument
        for before, argument in zip(["", *args], args, strict=False)
        if argument != f"--{name}"
        and not argument.startswith(f"--{name}=")
        and not (before == f"--{name}" and argument == value)
    ]


def option_value(args: Sequence[str], name: str) -> str | None:
    """The value of an option: empty if it has none, None if the option is absent. Its name may have dashes or underscores."""
    for index, argument in enumerate(args):
        option, equals, value = argument.partition("=")
        if not option.startswith("--") or option[2:].replace("-", "_") != name.replace("-", "_"):
            continue
        if equals:
            return value
        following = args[index + 1] if index + 1 < len(args) else "--"
        return "" if following.startswith("--") else following
    return None


def _flink(args: Sequence[str], bounded: bool, name: str) -> dict[str, str]:
    # The SDK walks all loaded modules to measure what it caches. With few, large state cells, this costs more than the reads it saves.
    own = {"max_cache_memory_usage_mb": "0", "job_name": name}
    if not bounded:
        # The outputs of a bundle wait until it ends, and by default it may last a second.
        own[_BUNDLE_TIME] = "200"
    if option_value(args, "checkpointing_interval") is not None:
        # Without it, Flink parks the outputs of the bundle that a checkpoint closes until the next element, and the watermark passes them.
        own["finish_bundle_before_checkpointing"] = ""
        if bounded:
            # With checkpoints, ended sources stay idle for ever by default, so that the job never ends.
            own["shutdown_sources_after_idle_ms"] = "1000"
    return own


def _describe(endpoint: str) -> set[str]:
    """The names of the options that a job server knows.

    Raises:
        RunnerError: the job server does not answer.
    """
    request = beam_job_api_pb2.DescribePipelineOptionsRequest()
    try:
        with grpc.insecure_channel(endpoint) as channel:
            stub = beam_job_api_pb2_grpc.JobServiceStub(channel)
            described = stub.DescribePipelineOptions(request, timeout=_JOB_SERVER_TIMEOUT_S)
    except grpc.RpcError as error:
        raise RunnerError(
            f"--job_endpoint={endpoint}: no job server answers ({error.code().name}); is it up? `tidemark stack status`"
        ) from None
    return {option.name for option in described.options}


def to_beam_args(args: Sequence[str], ours: Collection[str]) -> list[str]:
    """The arguments that are not the job's own, with options as Beam writes them: ``--job-endpoint`` becomes ``--job_endpoint``.

    Reports misspelt options before the job misses the value that they were to set. Only the job server knows all its options, so
    :func:`beam_options` checks the rest.

    Args:
        args: the arguments.
        ours: the job's own options, which are suggested first for an unknown option.

    Raises:
        RunnerError: an argument is no option; or Beam does not know it, and it resembles an option of the job.
    """
    names = _sdk_options()
    result = [_spelt(argument, names) for argument in args]
    written = {each.partition("=")[0]: argument.partition("=")[0] for each, argument in zip(result, args, strict=True)}
    local = _runner(result) in LOCAL_RUNNERS
    for name in _unknown(result):
        if name not in names and (local or nearest(name, ours, cutoff=_ALIKE) is not None):
            raise RunnerError(_no_such(written[f"--{name}"], ours, names))
    return result


def _no_such(argument: str, *groups: Iterable[str]) -> str:
    known = [[f"--{name.lstrip('-')}" for name in group] for group in groups]
    return f"no such option: {argument}{did_you_mean(argument, *known)}"


def _runner(args: Sequence[str]) -> str:
    """The runner's name in lower case, without its module. ``Flink`` means ``FlinkRunner``, as for Beam.

    Raises:
        RunnerError: Beam has no runner of that name.
    """
    value = option_value(args, "runner") or "DirectRunner"
    module, _, name = value.rpartition(".")
    full = name if name.lower().endswith("runner") else f"{name}Runner"
    known = [each.rpartition(".")[2] for each in StandardOptions.KNOWN_RUNNER_NAMES]
    if not module and full.lower() not in map(str.lower, known):
        raise RunnerError(f"--runner={value}: no such runner{did_you_mean(full, known)}")
    return full.lower()


def _spelt(argument: str, names: Collection[str]) -> str:
    name, equals, value = argument.partition("=")
    if not name.startswith("--") or name[2:] in names:
        return argument
    return f"--{name[2:].replace('-', '_')}{equals}{value}"


def _check(args: Sequence[str], runner_options: set[str], known_runner: bool) -> None:
    """Refuse unknown options: the SDK would pass them on, and the runner would drop them without a message.

    Raises:
        RunnerError: an option is unknown.
    """
    names = _sdk_options() | runner_options
    for name in _unknown(args):
        if name not in names and known_runner:
            raise RunnerError(_no_such(f"--{name}", names))


def _unknown(args: Sequence[str]) -> Iterator[str]:
    """The names of options that the SDK does not know.

    Raises:
        RunnerError: an argument is neither an option nor a value, or the SDK refuses a value.
    """
    _, unknown = _sdk_parser().parse_known_args(list(args))
    for before, argument in zip(["", *unknown], unknown, strict=False):
        if argument.startswith("--"):
            yield argument[2:].partition("=")[0]
        elif "=" in argument or not before.startswith("--"):
            hint = f"; to read it, write --input=file:{argument}" if os.path.exists(argument) else ""
            raise RunnerError(f"not an option: {argument!r}{hint}")


@cache
def _sdk_parser() -> argparse.ArgumentParser:
    parser = _SdkParser(add_help=False, allow_abbrev=False)
    for kind in PipelineOptions.__subclasses__():
        kind._add_argparse_args(_Lenient(parser))
    return parser


def _sdk_options() -> set[str]:
    return {name.lstrip("-") for action in _sdk_parser()._actions for name in action.option_strings}


class _SdkParser(argparse.ArgumentParser):
    """The SDK's options; it does not end the process."""

    def error(self, message: str) -> NoReturn:
        raise RunnerError(message.removeprefix("argument "))


class _Lenient:
    """An argument parser that accepts an option twice: several of the SDK's classes declare the same one."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parser = parser

    def add_argument(self, *names: str, **settings: object) -> None:
        """Add an option as argparse does. The first of a name counts, and none is required."""
        settings.pop("required", None)
        try:
            self._parser.add_argument(*names, **settings)  # type: ignore[arg-type]
        except argparse.ArgumentError:
            return

    def __getattr__(self, name: str) -> object:
        return getattr(self._parser, name)
