"""What ``tidemark submit`` adds to a job's command line, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.parts import CATALOGUE
from pipelines.job import Result
from pipelines.runners.flink import Job
from tests.tidemark.command import command
from tidemark.submit import job as submit
from tidemark.submit import main
from tidemark.submit.job import Addresses, SubmitError, job_args

AT = Addresses("k:9092", "i:8086", Path("/secrets/token"), "f:8081", "j:8099", "j:8098", "w:50000")
DEFAULTS = {
    "--input=kafka://k:9092/metrics.raw",
    "--output=influxdb://i:8086?token_file=/secrets/token",
    "--runner=PortableRunner",
    "--job_endpoint=j:8099",
    "--artifact_endpoint=j:8098",
    "--environment_type=EXTERNAL",
    "--environment_config=w:50000",
    "--checkpointing_interval=10000",
    "--parallelism=2",
    "--job_name=metrics",
    "--detach",
}


@pytest.mark.parametrize(
    ("given", "left_out"),
    [
        ([], set()),
        (["--savepoint_path=/s"], set()),
        (["--parallelism=1"], {"--parallelism=2"}),
        (["--parallelism", "1"], {"--parallelism=2"}),
        (["--output=parquet:store"], {"--output=influxdb://i:8086?token_file=/secrets/token"}),
        (["--plan"], {"--detach"}),
        (["--bounded"], {"--detach"}),
        (["--detach"], {"--detach"}),
    ],
)
def test_every_option_that_is_not_given_has_a_default(given: list[str], left_out: set[str]) -> None:
    args = job_args(given, AT)
    assert args[: len(given)] == given
    assert set(args[len(given) :]) == DEFAULTS - left_out


def test_the_alerts_job_has_its_own_name_and_no_output() -> None:
    args = job_args(["--rules=r.yml"], AT, "alerts")
    left_out = {"--job_name=metrics", "--output=influxdb://i:8086?token_file=/secrets/token"}
    assert set(args) == {"--rules=r.yml", "--job_name=alerts", *(DEFAULTS - left_out)}


class RunningFlink:
    """A cluster on which whatever is submitted runs."""

    url = "http://f:8081"

    def __init__(self, address: str) -> None:
        self.running: list[Job] = []

    def jobs(self, name: str | None = None) -> list[Job]:
        return self.running

    def wait_running(self, name: str, seconds: float) -> Job:
        return Job("1d", name, "RUNNING", 0)


@pytest.mark.parametrize(
    ("job", "given", "reported", "not_reported"),
    [
        ("metrics", [], ["buckets raw, rollup_1m", "tidemark submit --stop\n"], ["its alerts"]),
        ("metrics", ["--rules=r.yml"], ["its alerts: topic alerts.events at k:9092", "buckets raw"], []),
        ("metrics", ["--rules=r.yml", "--alerts=file:a"], ["its alerts: file:a"], ["alerts.events"]),
        (
            "alerts",
            ["--rules=r.yml"],
            ["its alerts: topic alerts", "tidemark submit --stop --name=alerts"],
            ["buckets"],
        ),
    ],
)
def test_what_can_be_done_with_a_job_is_reported(
    job: str,
    given: list[str],
    reported: list[str],
    not_reported: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(submit, "Flink", RunningFlink)
    ran: list[list[str]] = []
    monkeypatch.setitem(submit.JOBS, job, lambda args: ran.append(args) or Result(detached=job))
    submit.submit(job, given, AT)
    assert f"--job_name={job}" in ran[0]
    said = capsys.readouterr().out
    assert [word for word in reported if word not in said] == []
    assert [word for word in not_reported if word in said] == []


def test_a_job_that_runs_already_is_not_run_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    flink = RunningFlink("f")
    flink.running = [Job("1d", "alerts", "RUNNING", 0)]
    monkeypatch.setattr(submit, "Flink", lambda address: flink)
    with pytest.raises(
        SubmitError, match=r"job alerts runs already .*: stop it with `tidemark submit --stop --name=alerts`"
    ):
        submit.submit("alerts", ["--rules=r.yml"], AT)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "write a job to run it, or --stop to stop it"),
        (["metrics", "--stop"], "write a job to run it, or --stop to stop it"),
        (["--stop", "--parallelism=3"], "--stop takes no options of the job: --parallelism=3"),
        (["clicks"], "no 'clicks' among alerts, metrics"),
    ],
)
def test_mistakes_are_reported(args: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(args)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("job", "args", "unused"),
    [
        ("metrics", [], set()),
        ("metrics", ["--output=parquet:store"], {"influxdb"}),
        ("metrics", ["--input=kafka://other:9092/t"], {"kafka"}),
        ("alerts", ["--rules=r.yml"], {"influxdb"}),
    ],
)
def test_parts_of_the_stack_that_a_job_does_not_use_may_be_down(job: str, args: list[str], unused: set[str]) -> None:
    assert submit.needed_parts(job, args) == set(CATALOGUE.names) - unused


def test_stopping_a_job_needs_flink_alone() -> None:
    assert submit.needed_parts(None, []) == {"flink-jobmanager", "flink-taskmanager"}


def test_a_stack_that_is_down_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("submit")(["metrics", f"--dir={tmp_path}"]) == 1
    assert f"of {tmp_path} not running: tidemark stack up" in capsys.readouterr().err
