"""Beam's options for each runner: what a streaming job needs there, set where the command line does not say otherwise."""

from __future__ import annotations

import argparse
import difflib
import logging
import shutil
from collections.abc import Sequence

import grpc
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions, StandardOptions
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc
from apache_beam.runners.portability.fn_api_runner import worker_handlers

LOCAL = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
_JOB_SERVER_TIMEOUT_S = 10.0


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
    runner = (option_value(args, "runner") or "DirectRunner").lower().rpartition(".")[2]
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
        known_runner=bool(runner_options) or runner in ("fnapirunner", "directrunner", "prismrunner"),
    )
    # The SDK warns of every option that only the job server knows; those have just been checked.
    logging.getLogger("apache_beam.options.pipeline_options").setLevel(logging.ERROR)
    return PipelineOptions(words)


def keeps_order(options: PipelineOptions) -> bool:
    """Whether the runner hands on elements in the order in which they came, from step to step and to each key: Flink does so, in streaming jobs.

    Raises:
        RunnerError: the job server does not answer.
    """
    runner = str(options.view_as(StandardOptions).runner or "").lower().rpartition(".")[2]
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
    """The value of an option, empty for one that has none, None if it is not there."""
    for index, word in enumerate(args):
        if word == f"--{name}":
            following = args[index + 1] if index + 1 < len(args) else "--"
            return "" if following.startswith("--") else following
        if word.startswith(f"--{name}="):
            return word.partition("=")[2]
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


def _check(words: Sequence[str], runner_options: set[str], known_runner: bool) -> None:
    """Refuse options that no one knows: the SDK would pass them on, and the runner drop them, without a word."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for kind in PipelineOptions.__subclasses__():
        kind._add_argparse_args(_Lenient(parser))
    _, unknown = parser.parse_known_args(list(words))
    names = {name.lstrip("-") for action in parser._actions for name in action.option_strings} | runner_options
    for word in unknown:
        name = word.lstrip("-").partition("=")[0]
        if not word.startswith("--"):
            if "=" not in word and unknown.index(word) and unknown[unknown.index(word) - 1].startswith("--"):
                continue
            raise RunnerError(f"not an option: {word!r}")
        if name in names or not known_runner:
            continue
        near = difflib.get_close_matches(name, names, 1)
        raise RunnerError(f"no such option: --{name}" + (f"; did you mean --{near[0]}?" if near else ""))


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
