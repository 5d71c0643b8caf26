from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import apache_beam as beam
import grpc
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc
from apache_beam.runners.portability.fn_api_runner import worker_handlers

from pipelines.runners.options import LOCAL, RunnerError, _sdk_options, beam_options, keeps_order, option_value, started


class JobServer(beam_job_api_pb2_grpc.JobServiceServicer):
    """Knows some options of its own."""

    def __init__(self, *others: str) -> None:
        self.others = others

    def DescribePipelineOptions(self, request: Any, context: Any) -> Any:
        names = ("checkpointing_interval", "finish_bundle_before_checkpointing", "shutdown_sources_after_idle_ms")
        names += self.others
        return beam_job_api_pb2.DescribePipelineOptionsResponse(
            options=[beam_job_api_pb2.PipelineOptionDescriptor(name=name) for name in names]
        )


@contextmanager
def serving(server_of: JobServer) -> Iterator[str]:
    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        beam_job_api_pb2_grpc.add_JobServiceServicer_to_server(server_of, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(0)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with serving(JobServer()) as found:
        yield found


def chosen(words: list[str], bounded: bool = True) -> dict[str, Any]:
    return beam_options(words, bounded).get_all_options(retain_unknown_options=True)


@pytest.mark.parametrize("words", [[], ["--runner=DirectRunner"], ["--runner=directrunner"], ["--runner=FnApiRunner"]])
def test_a_bounded_job_runs_on_the_local_runner_without_fetching_another(words: list[str]) -> None:
    assert chosen(words)["runner"] == LOCAL
    assert not chosen(words)["streaming"]


def test_a_runner_may_be_named_in_two_words() -> None:
    assert chosen(["--runner", "DirectRunner"])["runner"] == LOCAL


def test_the_local_runner_refuses_an_endless_job_and_names_those_that_take_it() -> None:
    with pytest.raises(RunnerError, match=r"add --bounded, or take --runner=PrismRunner, or a Flink cluster"):
        beam_options(["--runner=DirectRunner"], bounded=False)


@pytest.mark.parametrize(("found", "location"), [("/opt/prism", "/opt/prism"), (None, None)])
def test_prism_is_taken_from_the_path_where_it_is(
    monkeypatch: pytest.MonkeyPatch, found: str | None, location: str | None
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: found)
    options = chosen(["--runner=PrismRunner"], bounded=False)
    assert (options["prism_location"], options["streaming"]) == (location, True)
    assert chosen(["--runner=PrismRunner", "--prism_location=/mine"])["prism_location"] == "/mine"


def test_flink_gets_what_a_streaming_job_needs_there(endpoint: str) -> None:
    words = ["--runner=PortableRunner", f"--job_endpoint={endpoint}", "--checkpointing_interval=5000"]
    options = chosen(words, bounded=False)
    assert options["streaming"] is True
    assert options["finish_bundle_before_checkpointing"] is True
    assert str(options["max_cache_memory_usage_mb"]) == "0"
    assert "shutdown_sources_after_idle_ms" not in options


def test_bundles_of_a_streaming_job_on_flink_are_short() -> None:
    with serving(JobServer("max_bundle_time_mills")) as endpoint:
        words = ["--runner=PortableRunner", f"--job_endpoint={endpoint}"]
        assert str(chosen(words, bounded=False)["max_bundle_time_mills"]) == "200"
        assert str(chosen([*words, "--max_bundle_time_mills=50"], bounded=False)["max_bundle_time_mills"]) == "50"
        assert "max_bundle_time_mills" not in chosen(words, bounded=True)


def test_a_job_has_its_own_name_on_flink(endpoint: str) -> None:
    words = ["--runner=PortableRunner", f"--job_endpoint={endpoint}"]
    assert beam_options(words, False).get_all_options()["job_name"] == "metrics"
    assert beam_options(words, False, "alerts").get_all_options()["job_name"] == "alerts"


def test_a_bounded_job_with_checkpoints_lets_ended_sources_go(endpoint: str) -> None:
    words = ["--runner=PortableRunner", f"--job_endpoint={endpoint}", "--checkpointing_interval=5000"]
    assert str(chosen(words)["shutdown_sources_after_idle_ms"]) == "1000"


def test_what_the_command_line_says_stands(endpoint: str) -> None:
    words = [
        "--runner=PortableRunner",
        f"--job_endpoint={endpoint}",
        "--max_cache_memory_usage_mb=64",
        "--job_name=mine",
    ]
    options = chosen(words, bounded=False)
    assert str(options["max_cache_memory_usage_mb"]) == "64"
    assert options["job_name"] == "mine"


def test_flink_is_known_by_its_name_or_by_the_options_of_its_job_server(endpoint: str) -> None:
    for runner, kept in (("FlinkRunner", True), ("PrismRunner", False), (LOCAL, False)):
        assert keeps_order(PipelineOptions([f"--runner={runner}"])) == kept
    assert not keeps_order(PipelineOptions([]))
    assert not keeps_order(PipelineOptions(["--runner=PortableRunner", f"--job_endpoint={endpoint}"]))
    with serving(JobServer("flink_master")) as flink:
        assert keeps_order(PipelineOptions(["--runner=PortableRunner", f"--job_endpoint={flink}"]))


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "--checkpointing_intervall=5000",
            "no such option: --checkpointing_intervall; did you mean --checkpointing_interval",
        ),
        ("--paralellism=2", "no such option: --paralellism"),
        ("--zzz", "no such option: --zzz$"),
        ("loose", "not an option: 'loose'"),
    ],
)
def test_an_option_that_no_one_knows_is_refused(endpoint: str, word: str, message: str) -> None:
    with pytest.raises(RunnerError, match=message):
        beam_options(["--runner=PortableRunner", f"--job_endpoint={endpoint}", word], bounded=False)


def test_an_option_of_the_job_server_alone_is_refused_elsewhere() -> None:
    with pytest.raises(RunnerError, match="no such option: --checkpointing_interval"):
        beam_options(["--checkpointing_interval=5000"], bounded=True)


def test_a_job_server_that_does_not_answer_is_named() -> None:
    with pytest.raises(RunnerError, match=r"--job_endpoint=127.0.0.1:1: no job server answers \(UNAVAILABLE\)"):
        beam_options(["--runner=PortableRunner", "--job_endpoint=127.0.0.1:1"], bounded=False)


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["--a=1"], "1"),
        (["--a", "1"], "1"),
        (["--a", "--b"], ""),
        (["--a"], ""),
        (["--b=1"], None),
        (["--ab=1"], None),
        (["--a=x=y"], "x=y"),
    ],
)
def test_the_value_of_an_option(words: list[str], value: str | None) -> None:
    assert option_value(words, "a") == value


def test_a_job_server_that_cannot_be_had_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = [
        "Unable to fetch remote job server jar at there: 404",
        "Java must be installed in this environment",
        "no luck",
    ]

    def run(_: object) -> None:
        raise RuntimeError(reasons.pop(0))

    monkeypatch.setattr(beam.Pipeline, "run", run)
    for reported in (
        "cannot: Unable to fetch remote job server jar at there; name one",
        "cannot: Java must be installed",
    ):
        with pytest.raises(RunnerError, match=reported):
            started(beam.Pipeline())
    with pytest.raises(RuntimeError, match="no luck"):
        started(beam.Pipeline())


def test_what_is_used_of_beam_s_insides_is_still_there() -> None:
    """Beam has no public name for them. When this fails after an upgrade, its message says what to look for."""
    assert callable(getattr(PipelineOptions, "_add_argparse_args", None)), (
        "Beam's groups of options are no longer declared by PipelineOptions._add_argparse_args. runners/options.py collects all options "
        "there, to refuse a misspelt one: find where they are declared now, or let unknown options pass"
    )
    assert {"runner", "job_endpoint", "environment_type", "streaming"} <= _sdk_options(), (
        "options are declared, but not found: see _sdk_options in runners/options.py"
    )
    assert isinstance(getattr(worker_handlers, "STATE_CACHE_SIZE_MB", None), int), (
        "the local runner's cache of state has another switch. runners/options.py turns it off: find its name, or show that state is "
        "right with it (tests/transcripts)"
    )
