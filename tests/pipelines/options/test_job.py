from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.options.job import FileInput, OptionError, metrics_options, parse, parse_alerts
from pipelines.options.parsers import alerts_parser, metrics_parser
from pipelines.runners.options import RunnerError
from schemas.records import LINE_PROTOCOL
from schemas.series import DEFAULT_TARGET_LABELS
from schemas.tiers import Tiers
from transforms.io.kafka.source import KafkaSource
from transforms.io.kafka.topic import Start

KAFKA = "--input=kafka://broker:9092/metrics.raw"
OUTPUT = "--output=blackhole:"


@pytest.fixture
def records(tmp_path: Path) -> Path:
    path = tmp_path / "records.lp"
    path.write_bytes(b"m,host=a value=1 1\n")
    return path


def test_defaults_of_a_job_that_reads_kafka() -> None:
    _, options, rest = parse([KAFKA, OUTPUT])
    (source,) = options.inputs
    assert isinstance(source, KafkaSource)
    assert (source.topic.bootstrap, source.topic.topic, source.start) == ("broker:9092", "metrics.raw", Start())
    assert (source.bounded, source.idle_ms, source.discovery_ms) == (False, 30_000, 60_000)
    assert options.tiers == Tiers()
    assert (options.intake.shards, options.intake.delay_ms, options.intake.max_future_ms) == (32, 10_000, 600_000)
    assert options.intake.target_labels == DEFAULT_TARGET_LABELS
    assert options.intake.default_content_type is None
    assert (options.dead_letter, options.late) == (
        "kafka://broker:9092/metrics.dead-letter",
        "kafka://broker:9092/metrics.late",
    )
    assert options.raw
    assert not options.bounded
    assert rest == []


def test_a_job_that_reads_files_comes_to_an_end_and_needs_no_broker(records: Path) -> None:
    _, options, _ = parse([f"--input=file:{records.parent}/*.lp", OUTPUT])
    assert options.inputs == (FileInput((str(records),)),)
    assert options.bounded
    assert (options.dead_letter, options.late) == ("file:dead-letter", "file:late")


def test_more_files_than_a_run_takes_are_refused_before_anything_starts(tmp_path: Path) -> None:
    for number in range(4097):
        (tmp_path / f"{number}.lp").touch()
    with pytest.raises(OptionError, match="--input: 4,097 files are too many for one run, at most 4,096: join some"):
        parse([f"--input=file:{tmp_path}", OUTPUT])


def test_one_endless_input_makes_an_endless_job(records: Path) -> None:
    assert not parse([f"--input=file:{records}", KAFKA, OUTPUT])[1].bounded
    assert parse([f"--input=file:{records}", KAFKA, "--bounded", OUTPUT])[1].bounded


def test_words_on_the_command_line_reach_the_job() -> None:
    words = [
        "--start=offset:7",
        "--idle-timeout=2s",
        "--discovery-interval=0s",
        "--no-raw",
        f"--default-content-type={LINE_PROTOCOL}",
        "--max-future=none",
        "--dead-letter=file:dead",
        "--late=kafka://other:1/late",
    ]
    _, options, _ = parse([KAFKA, OUTPUT, "--output=parquet:store", *words])
    (source,) = options.inputs
    assert isinstance(source, KafkaSource)
    assert (source.start, source.idle_ms, source.discovery_ms) == (Start("offset", 7), 2_000, 0)
    assert options.outputs == ("blackhole:", "parquet:store")
    assert (options.raw, options.intake.default_content_type, options.intake.max_future_ms) == (
        False,
        LINE_PROTOCOL,
        None,
    )
    assert (options.dead_letter, options.late) == ("file:dead", "kafka://other:1/late")


def test_a_configuration_file_says_what_the_job_means(tmp_path: Path) -> None:
    config = tmp_path / "job.yaml"
    config.write_text(
        "tiers: {lateness: 2m, rollups: [{window: 10s}, {window: 5m}]}\n"
        "target_labels: [rack]\nshards: 7\nwatermark_delay: 30s\n"
    )
    _, options, _ = parse([KAFKA, OUTPUT, f"--config={config}"])
    assert [tier.name for tier in options.tiers.rollups] == ["10s", "5m"]
    assert options.tiers.lateness_ms == 120_000
    assert (options.intake.target_labels, options.intake.shards, options.intake.delay_ms) == (
        frozenset({"rack"}),
        7,
        30_000,
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_configuration_file_may_begin_with_a_byte_order_mark(encoding: str, tmp_path: Path) -> None:
    config = tmp_path / "job.yaml"
    config.write_bytes("shards: 7\r\n".encode(encoding))
    assert parse([KAFKA, OUTPUT, f"--config={config}"])[1].intake.shards == 7
    config.write_bytes("client.id: seven\r\n".encode(encoding))
    assert parse([KAFKA, OUTPUT, f"--kafka-config={config}"])[1].kafka_config == {"client.id": "seven"}


def test_an_empty_configuration_file_changes_nothing(tmp_path: Path) -> None:
    config = tmp_path / "job.yaml"
    config.write_text("# nothing yet\n")
    assert parse([KAFKA, OUTPUT, f"--config={config}"])[1] == parse([KAFKA, OUTPUT])[1]


def test_kafka_settings_of_a_file_go_to_every_connection(tmp_path: Path) -> None:
    config = tmp_path / "kafka.yaml"
    config.write_text("security.protocol: SASL_SSL\nsasl.password: ${KAFKA_PASSWORD}\nsocket.timeout.ms: 5000\n")
    _, options, _ = parse([KAFKA, OUTPUT, f"--kafka-config={config}"])
    wanted = {
        "security.protocol": "SASL_SSL",
        "sasl.password": "${KAFKA_PASSWORD}",
        "socket.timeout.ms": "5000",
    }
    (source,) = options.inputs
    assert isinstance(source, KafkaSource)
    assert options.kafka_config == source.topic.config == wanted


def test_what_the_job_does_not_know_goes_to_beam() -> None:
    _, _, rest = parse([KAFKA, "--runner=PrismRunner", OUTPUT, "--parallelism", "2"])
    assert rest == ["--runner=PrismRunner", "--parallelism", "2"]


def test_options_are_not_guessed_from_their_beginnings() -> None:
    with pytest.raises(RunnerError, match="no such option: --bound; did you mean --bounded"):
        parse([KAFKA, OUTPUT, "--bound"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        # What is misspelt comes before what is missing for it, and our own options before Beam's.
        (["--imput=file:a.lp", OUTPUT], "no such option: --imput; did you mean --input?"),
        ([KAFKA, "--presicion=s", OUTPUT], "no such option: --presicion; did you mean --precision?"),
        ([KAFKA, "--kafka_confg=a", OUTPUT], "no such option: --kafka_confg; did you mean --kafka-config?"),
        ([KAFKA, "--summary-jsn", "a", OUTPUT], "no such option: --summary-jsn; did you mean --summary-json?"),
        ([KAFKA, "--regoin=x", OUTPUT], "no such option: --regoin; did you mean --region?"),
        ([KAFKA, "--job-nmae=x", OUTPUT], "no such option: --job-nmae; did you mean --job_name?"),
        ([KAFKA, "--qqq", OUTPUT], "no such option: --qqq$"),
        # Only a job server knows all of its options; those like ours are refused before it is asked.
        ([KAFKA, "--ouput=parquet:a", "--runner=FlinkRunner"], "no such option: --ouput; did you mean --output?"),
        ([KAFKA, OUTPUT, "--runner=FlinkRuner"], "--runner=FlinkRuner: no such runner; did you mean FlinkRunner?"),
        ([KAFKA, OUTPUT, "--runner", "Filnk"], "--runner=Filnk: no such runner; did you mean FlinkRunner?"),
        ([KAFKA, OUTPUT, "metrics.lp"], "not an option: 'metrics.lp'$"),
        ([KAFKA, OUTPUT, __file__], "to read it, write --input=file:.*test_job.py"),
    ],
)
def test_a_misspelt_option_is_named_with_the_one_that_may_be_meant(words: list[str], message: str) -> None:
    with pytest.raises(RunnerError, match=message):
        parse(words)


@pytest.mark.parametrize("words", [["--checkpointing-interval=9"], ["--checkpointing_interval", "9"]])
def test_what_only_a_job_server_knows_is_left_to_it(words: list[str]) -> None:
    _, _, rest = parse([KAFKA, OUTPUT, "--runner=FlinkRunner", *words])
    assert rest == ["--runner=FlinkRunner", words[0].replace("-i", "_i"), *words[1:]]


@pytest.mark.parametrize("name", ["default-content-type", "dead-letter", "idle-timeout", "max-future", "summary-json"])
def test_a_name_is_joined_by_dashes_or_by_underscores(name: str) -> None:
    assert f"--{name}" in metrics_parser().options
    args = [metrics_parser().parse_args([f"--{written}=a"]) for written in (name, name.replace("-", "_"))]
    assert args[0] == args[1]
    assert vars(args[0])[name.replace("-", "_")] == "a"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--summary-json="], "--summary-json: the value is empty; FILE is wanted"),
        (["--input", ""], "--input: the value is empty; URI is wanted"),
        (["--precision=sec"], "--precision: no 'sec' among ns, us, ms, s"),
        (["--rule-shards=1_000"], "--rule-shards: a whole number is wanted, not '1_000'"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse([KAFKA, OUTPUT, *words])
    assert f"tidemark run metrics: {message}" in capsys.readouterr().err


def test_of_two_values_the_last_counts(capsys: pytest.CaptureFixture[str]) -> None:
    given = parse([KAFKA, OUTPUT, "--start=earliest", "--start=latest"])
    assert capsys.readouterr().err == "tidemark run metrics: --start is given more than once: the last counts\n"
    assert given == parse([KAFKA, OUTPUT, "--start=latest", "--start=latest"])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([OUTPUT], "--input is missing: kafka://"),
        ([KAFKA], "--output is missing: influxdb://"),
        (["--input=metrics.lp", OUTPUT], "--input=metrics.lp: write kafka://HOST:PORT/TOPIC or file:PATH"),
        (["--input=file:", OUTPUT], "write kafka://HOST:PORT/TOPIC or file:PATH"),
        (["--input=file:/no/such/*.lp", OUTPUT], "no file matches '/no/such/"),
        (["--input=kafka://broker/t", OUTPUT], "--input=kafka://broker/t: .* write HOST:PORT"),
        ([KAFKA, OUTPUT, "--start=first"], "not a start position: 'first'"),
        ([KAFKA, OUTPUT, "--idle-timeout=30"], "--idle-timeout: not a duration: '30'"),
        ([KAFKA, OUTPUT, "--discovery-interval=x"], "--discovery-interval: not a duration"),
        ([KAFKA, OUTPUT, "--max-future=never"], "--max-future: not a duration"),
        ([KAFKA, OUTPUT, "--config=/no/such.yaml"], "--config=/no/such.yaml: No such file"),
        ([KAFKA, OUTPUT, "--kafka-config=/no/such.yaml"], "--kafka-config=/no/such.yaml: No such file"),
        ([KAFKA, OUTPUT, "--default-content-type=text/csv"], "--default-content-type=text/csv: known: "),
        ([KAFKA, OUTPUT, "--since=yesterday"], "--since: 'yesterday' is no time"),
    ],
)
def test_a_wrong_word_is_named_with_what_would_do(words: list[str], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        parse(words)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shard: 3", "no such key: shard; known: rules, shards, target_labels"),
        ("shards: 0", "shards: a number from 1 to 65536 is wanted, not 0"),
        ("shards: many", "not 'many'"),
        ("shards: true", "not True"),
        ("target_labels: host", "target_labels: a list of label names is wanted, not 'host'"),
        ("target_labels: [1]", "target_labels: a list of label names"),
        ("target_labels: [host, '']", "target_labels: '' cannot be the name of a label"),
        ("target_labels: [__name__]", "target_labels: '__name__' cannot be the name of a label"),
        ("tiers: {rollups: [{name: ../x, window: 1m}]}", r"tiers.rollups\[0\].name: '../x' cannot be a name"),
        ("watermark_delay: 10", "not a duration: '10'"),
        ("tiers: {rollups: [{window: 7s}, {window: 10s}]}", "must be a multiple"),
        ("tiers: 3", "tiers: a mapping is wanted"),
        ("- a", "a mapping is wanted at the top"),
        ("a: [", "job.yaml"),
    ],
)
def test_a_mistake_in_the_configuration_is_named_with_its_file(tmp_path: Path, text: str, message: str) -> None:
    config = tmp_path / "job.yaml"
    config.write_text(text)
    with pytest.raises(OptionError, match=message) as refused:
        parse([KAFKA, OUTPUT, f"--config={config}"])
    assert str(config) in str(refused.value)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (metrics_parser, ("tidemark run metrics --input=kafka://", "--output=influxdb://")),
        (alerts_parser, ("tidemark run alerts --rules=rules/", "--alerts=file:")),
    ],
)
def test_help_shows_whole_commands(
    made: Callable[[], argparse.ArgumentParser], words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        made().parse_args(["--help"])
    assert left.value.code == 0
    said = capsys.readouterr().out
    for word in (*words, "--input=kafka://", "--runner=", "docs/operations.md", "default"):
        assert word in said


@pytest.mark.parametrize("made", [metrics_parser, alerts_parser])
def test_every_option_has_help(made: Callable[[], argparse.ArgumentParser]) -> None:
    assert [action.dest for action in made()._actions if not action.help] == []


def test_the_alerts_job_has_the_options_of_the_metrics_job_but_for_raw_samples() -> None:
    metrics, alerts = ({action.dest for action in made()._actions} for made in (metrics_parser, alerts_parser))
    assert metrics - alerts == {"raw"}
    assert alerts <= metrics


def test_the_alerts_job_needs_rules_and_no_output(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--rules is missing: a rule file"):
        parse_alerts([KAFKA])
    rules = tmp_path / "rules.yml"
    rules.write_text("groups: []\n")
    _, options, _ = parse_alerts([KAFKA, f"--rules={rules}"])
    assert (options.rollups, options.outputs) == (False, ())
    assert options.rules is not None


def test_options_come_from_a_namespace_too(records: Path) -> None:
    args = metrics_parser().parse_args([f"--input=file:{records}", OUTPUT])
    assert metrics_options(args).bounded


@pytest.mark.parametrize(
    ("output", "beside"),
    [("parquet:data/store", "data/"), ("parquet:store?sync=off", ""), ("parquet:/data/store/", "/data/")],
)
def test_what_is_kept_of_files_stands_beside_the_store(
    output: str, beside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.lp").touch()
    (tmp_path / "rules.yml").write_text("groups: [{name: g, rules: [{alert: A, expr: m > 1}]}]")
    _, options, _ = parse(["--input=file:a.lp", "--output=blackhole:", f"--output={output}", "--rules=rules.yml"])
    assert options.rules is not None
    places = {options.dead_letter: "dead-letter", options.late: "late", options.rules.alerts: "alerts"}
    assert places == {f"file:{tmp_path / beside / name}": name for name in places.values()}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([KAFKA, OUTPUT, OUTPUT], "--output=blackhole: is given twice"),
        ([KAFKA, OUTPUT, "--late=kafka://broker:9092/metrics.raw"], "--late=.*: this topic is read"),
        (
            [KAFKA, OUTPUT, "--dead-letter=kafka://other:1,broker:9092/metrics.raw"],
            "--dead-letter=.*: this topic is read",
        ),
        (
            [KAFKA, OUTPUT, "--late=kafka://b:1/t", "--dead-letter=kafka://b:1/t"],
            "--late=.*: --dead-letter writes there too",
        ),
        (["--input=file:DIR", "--output=parquet:DIR/x/.."], "--output=.*: this directory is read"),
        (["--input=file:DIR", OUTPUT, "--late=file:DIR"], "--late=.*: this directory is read"),
    ],
)
def test_what_is_written_does_not_come_in_again(words: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "a.lp").write_text("m,host=a value=1 1\n")
    (tmp_path / "x").mkdir()
    with pytest.raises(OptionError, match=message):
        parse([word.replace("DIR", str(tmp_path)) for word in words])


@pytest.mark.parametrize(
    "words",
    [
        # Topics of one name at other brokers, and directories beside or below what is read.
        [KAFKA, OUTPUT, "--late=kafka://other:9092/metrics.raw"],
        ["--input=file:DIR/*.lp", "--output=parquet:DIR/store", "--late=file:DIR/left", "--dead-letter=file:DIR/left"],
        [KAFKA, OUTPUT, "--output=parquet:DIR/store", "--late=blackhole:", "--dead-letter=blackhole:"],
    ],
)
def test_what_is_written_may_lie_beside_what_is_read(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.lp").write_text("m,host=a value=1 1\n")
    parse([word.replace("DIR", str(tmp_path)) for word in words])
