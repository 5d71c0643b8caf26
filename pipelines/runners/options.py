"""Beam's options for each runner: what a streaming job needs there, set where the command line does not say otherwise."""

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

from services.kit.suggestions import did_you_mean, nearest

LOCAL = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
LOCAL_RUNNERS = ("directrunner", "fnapirunner", "prismrunner")
"""Runners without options that the SDK does not know, in lower case."""

_JOB_SERVER_TIMEOUT_S = 10.0
# What Beam says where the jar of a job server is not here and cannot be had, or nothing is there to run it.
_NO_JOB_SERVER = ("job server jar", "Java must be installed")
# An option that only a job server knows may be a little like one of a job's.
_ALIKE = 0.75


class RunnerError(ValueError):
    """The runner cannot run this job; the message says which can."""


def beam_options(args: Sequence[str], bounded: bool, name: str = "metrics") -> PipelineOptions:
    """Options for Beam from the words that the job did not know.

    Args:
        args: the words.
        bounded: whether the job comes to an end.
        name: of the job where it runs, unless the words say so.

    Raises:
        RunnerError: a word that is none of the runner's options, or a runner that cannot run the job.
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
        # What DirectRunner itself picks for batch, without its attempt to fetch Prism first.
        args = [*_without(args, "runner"), f"--runner={LOCAL}"]
        # Its workers take the size of their state cache from nowhere else; why it is to be nothing, see _flink.
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
    missing = [
        f"--{name}={value}" if value else f"--{name}" for name, value in own.items() if option_value(args, name) is None
    ]
    words = [*args, *missing]
    _check(
        words,
        runner_options,
        known_runner=bool(runner_options) or runner in LOCAL_RUNNERS,
    )
    # The SDK warns of every option that only the job server knows; those have just been checked.
    logging.getLogger("apache_beam.options.pipeline_options").setLevel(logging.ERROR)
    return PipelineOptions(words)


def started(pipeline: beam.Pipeline) -> PipelineResult:
    """The pipeline, running.

    Raises:
        RunnerError: the runner would start a job server of its own, and cannot.
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
    """Whether the runner hands on elements in the order in which they came, from step to step and to each key: Flink does so, in streaming jobs.

    Raises:
        RunnerError: the job server does not answer.
    """
    runner = _runner([f"--runner={options.view_as(StandardOptions).runner or 'DirectRunner'}"])
    endpoint = options.view_as(PortableOptions).job_endpoint
    if runner == "portablerunner" and endpoint:
        return "flink_master" in _describe(endpoint)
    return runner == "flinkrunner"


def _without(args: Sequence[str], name: str) -> list[str]:
    """The words without an option and its value, which may be a word of its own."""
    value = option_value(args, name)
    return [
        word
        for before, word in zip(["", *args], args, strict=False)
        if word != f"--{name}" and not word.startswith(f"--{name}=") and not (before == f"--{name}" and word == value)
    ]


def option_value(args: Sequence[str], name: str) -> str | None:
    """The value of an option, empty for one that has none, None if it is not there; its name may have dashes or underscores."""
    for index, word in enumerate(args):
        given, equals, value = word.partition("=")
        if not given.startswith("--") or given[2:].replace("-", "_") != name.replace("-", "_"):
            continue
        if equals:
            return value
        following = args[index + 1] if index + 1 < len(args) else "--"
        return "" if following.startswith("--") else following
    return None


def _flink(args: Sequence[str], bounded: bool, name: str) -> dict[str, str]:
    # The SDK sizes whatever it caches by walking all loaded modules: with few, large state cells that costs more than the reads it saves.
    own = {"max_cache_memory_usage_mb": "0", "job_name": name}
    if option_value(args, "checkpointing_interval") is not None:
        # Without it, outputs of the bundle that a checkpoint closes are parked until the next element, and the watermark runs past them.
        own["finish_bundle_before_checkpointing"] = ""
        if bounded:
            # With checkpoints on, sources that have ended idle for ever unless told otherwise, and the job never ends.
            own["shutdown_sources_after_idle_ms"] = "1000"
    return own


def _describe(endpoint: str) -> set[str]:
    """Names of the options that a job server knows.

    Raises:
        RunnerError: it does not answer.
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


def beam_words(args: Sequence[str], ours: Collection[str]) -> list[str]:
    """The words that a job did not know, options spelt as Beam spells them: ``--job-endpoint`` is ``--job_endpoint``.

    What is wrong with a name is said here, before anything is found missing that a misspelt option was to give. Only a job server knows
    all of its options, so :func:`beam_options` looks at the rest.

    Args:
        args: the words.
        ours: the job's own options, which are suggested first for a word that is not known.

    Raises:
        RunnerError: a word that is no option, or is none of Beam's and like one of the job's.
    """
    names = _sdk_options()
    words = [_spelt(word, names) for word in args]
    written = {word.partition("=")[0]: given.partition("=")[0] for word, given in zip(words, args, strict=True)}
    local = _runner(words) in LOCAL_RUNNERS
    for name in _unknown(words):
        if name not in names and (local or nearest(name, ours, cutoff=_ALIKE) is not None):
            raise RunnerError(_no_such(written[f"--{name}"], ours, names))
    return words


def _no_such(word: str, *groups: Iterable[str]) -> str:
    known = [[f"--{name.lstrip('-')}" for name in group] for group in groups]
    return f"no such option: {word}{did_you_mean(word, *known)}"


def _runner(args: Sequence[str]) -> str:
    """The runner's name in lower case, without the module that it may be given with; Beam takes ``Flink`` for ``FlinkRunner``.

    Raises:
        RunnerError: Beam has none of that name.
    """
    given = option_value(args, "runner") or "DirectRunner"
    module, _, name = given.rpartition(".")
    full = name if name.lower().endswith("runner") else f"{name}Runner"
    known = [each.rpartition(".")[2] for each in StandardOptions.KNOWN_RUNNER_NAMES]
    if not module and full.lower() not in map(str.lower, known):
        raise RunnerError(f"--runner={given}: no such runner{did_you_mean(full, known)}")
    return full.lower()


def _spelt(word: str, names: Collection[str]) -> str:
    name, equals, value = word.partition("=")
    if not name.startswith("--") or name[2:] in names:
        return word
    return f"--{name[2:].replace('-', '_')}{equals}{value}"


def _check(words: Sequence[str], runner_options: set[str], known_runner: bool) -> None:
    """Refuse options that no one knows: the SDK would pass them on, and the runner drop them, without a word.

    Raises:
        RunnerError: there is one.
    """
    names = _sdk_options() | runner_options
    for name in _unknown(words):
        if name not in names and known_runner:
            raise RunnerError(_no_such(f"--{name}", names))


def _unknown(words: Sequence[str]) -> Iterator[str]:
    """The names of options that the SDK does not know.

    Raises:
        RunnerError: a word that is no option, nor the value of one; or a value that the SDK does not take.
    """
    _, unknown = _sdk_parser().parse_known_args(list(words))
    for before, word in zip(["", *unknown], unknown, strict=False):
        if word.startswith("--"):
            yield word[2:].partition("=")[0]
        elif "=" in word or not before.startswith("--"):
            hint = f"; to read it, write --input=file:{word}" if os.path.exists(word) else ""
            raise RunnerError(f"not an option: {word!r}{hint}")


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
    """An argument parser to which an option may be added twice: several of the SDK's classes name the same."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parser = parser

    def add_argument(self, *names: str, **settings: object) -> None:
        """As of argparse; the first one stands, and nothing is required."""
        settings.pop("required", None)
        try:
            self._parser.add_argument(*names, **settings)  # type: ignore[arg-type]
        except argparse.ArgumentError:
            return

    def __getattr__(self, name: str) -> object:
        return getattr(self._parser, name)
