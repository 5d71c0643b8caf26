"""What ``tidemark submit`` adds to a job's command line, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines import submit
from pipelines.submit import Addresses, job_words

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
    words = job_words(given, AT)
    assert words[: len(given)] == given
    assert set(words[len(given) :]) == DEFAULTS - left_out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "write a job to run it, or --stop to stop it"),
        (["metrics", "--stop"], "write a job to run it, or --stop to stop it"),
        (["--stop", "--parallelism=3"], "--stop takes no options of the job: --parallelism=3"),
        (["clicks"], "invalid choice: 'clicks'"),
    ],
)
def test_mistakes_are_told(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        submit.main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_stack_that_is_down_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit.main(["metrics", f"--dir={tmp_path}"]) == 1
    assert f"of {tmp_path} not running: tidemark stack up" in capsys.readouterr().err
