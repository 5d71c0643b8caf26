"""What a command is to write is checked before it begins, whichever command it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.kit.outputs import OutputError
from tidemark import cli
from tidemark.submit import job as submit

RULES = """\
groups:
  - name: g
    rules: [{alert: High, expr: cpu > 3}]
"""
TESTS = "rule_files: [rules.yml]\ntests: [{interval: 1m, input_series: [], alert_rule_test: []}]\n"

RUN = "run metrics --input=file:in.lp --output=parquet:store --dead-letter=file:dead --late=file:late"
ALERTS = "run alerts --rules=rules.yml --input=file:in.lp --alerts=file:alerts --dead-letter=file:dead --late=file:late"
BACKTEST = "rules backtest rules.yml --data=in.lp"
TEST = "rules test tests.yml"
GENERATE = "generate metrics --hosts=1 --metrics=1 --duration=1m --quiet --output=file:made.jsonl"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a file of each kind that is read."""
    # On a whole minute, so that rules have a time to be evaluated at.
    (tmp_path / "in.lp").write_text("cpu,host=a value=4 1699999980000000000\n")
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "tests.yml").write_text(TESTS)
    (tmp_path / "job.yml").write_text("shards: 2\n")
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def status(words: str) -> int:
    try:
        return cli.main(words.split())
    except SystemExit as left:
        return int(left.code or 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (f"{RUN} --summary-json=file/a.json", "--summary-json=file/a.json: cannot be written"),
        (f"{RUN} --summary-json=.", "--summary-json=.: this is a directory"),
        (f"{RUN} --summary-json=in.lp", "--summary-json=in.lp: this file is read"),
        (
            f"{RUN} --rules=rules.yml --alerts=file:alerts --summary-json=rules.yml",
            "--summary-json=rules.yml: this file is read",
        ),
        (f"{RUN} --config=job.yml --summary-json=job.yml", "--summary-json=job.yml: this file is read"),
        (f"{RUN} --dead-letter=file:file", "a file of this name is there"),
        (f"{RUN} --late=file:file/late", "file/late cannot be written"),
        (f"{RUN} --output=parquet:file", "a file of this name is there"),
        (f"{ALERTS} --alerts=file:file", "a file of this name is there"),
        (f"{ALERTS} --summary-json=in.lp", "--summary-json=in.lp: this file is read"),
        (f"{BACKTEST} --html=file/a.html", "--html=file/a.html: cannot be written"),
        (f"{BACKTEST} --html=rules.yml", "--html=rules.yml: this file is read"),
        (f"{BACKTEST} --html=in.lp", "--html=in.lp: this file is read"),
        (f"{TEST} --junit=tests.yml", "--junit=tests.yml: this file is read"),
        (f"{TEST} --junit=./", "--junit=.: this is a directory"),
        (f"{GENERATE} --truth=file/a.parquet", "--truth=file/a.parquet: cannot be written"),
        (f"{GENERATE} --summary-json=.", "--summary-json=.: this is a directory"),
        (f"{GENERATE} --summary-json=made.jsonl", "--summary-json=made.jsonl: --output writes there too"),
        (f"{GENERATE} --output=file:file/made.jsonl", "--output=file/made.jsonl: cannot be written"),
        ("demo --output=file --no-open --seconds=1 --hours=1", "file is there and is not an earlier demo's"),
        ("rules library --to=file", "file"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_done(
    here: Path, words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in here.iterdir() if path.is_file()}
    assert status(words) in (1, 2)
    reported = capsys.readouterr()
    assert said in reported.err
    assert "Traceback" not in reported.err
    assert {path: path.read_bytes() for path in here.iterdir() if path.is_file()} == before
    assert not list(here.glob("store/*/date=*"))


@pytest.mark.parametrize(
    ("words", "made"),
    [
        (f"{RUN} --summary-json=new/dir/balance.json", "new/dir/balance.json"),
        (f"{BACKTEST} --html=new/dir/page.html", "new/dir/page.html"),
        (f"{TEST} --junit=new/dir/junit.xml", "new/dir/junit.xml"),
        (f"{GENERATE} --output=file:new/dir/a.jsonl --truth=new/b.parquet --summary-json=c/d.json", "new/dir/a.jsonl"),
        (f"{GENERATE} --truth=new/b.parquet --summary-json=c/d.json", "c/d.json"),
    ],
)
def test_a_directory_that_is_missing_is_made(here: Path, words: str, made: str) -> None:
    assert status(words) == 0
    assert (here / made).stat().st_size


def test_a_savepoint_has_a_place_before_the_job_is_stopped(here: Path) -> None:
    assert submit.savepoint_directory("new/dir") == str(here / "new" / "dir")
    assert submit.savepoint_directory("file:new") == str(here / "new")
    assert (here / "new" / "dir").is_dir()
    # Another file system is Flink's own business.
    assert submit.savepoint_directory("s3://bucket/dir") == "s3://bucket/dir"
    with pytest.raises(OutputError, match="--savepoint=file: this is no directory"):
        submit.savepoint_directory("file")


def test_a_savepoint_is_there_before_a_job_is_submitted_from_it(here: Path) -> None:
    (here / "sp").mkdir()
    with pytest.raises(submit.SubmitError, match=r"--savepoint_path=sp: there is no savepoint \(no file _metadata\)"):
        submit.check_savepoint("sp")
    (here / "sp" / "_metadata").touch()
    for place in ("sp", f"file:{here}/sp", "hdfs://there/sp", None):
        submit.check_savepoint(place)
