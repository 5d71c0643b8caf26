"""The whole stack: up, status, a job that survives kills, heal, down."""

import itertools
import json
import os
import stat
import urllib.request
import uuid
from pathlib import Path

import apache_beam as beam
import psutil
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.periodicsequence import PeriodicImpulse
from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError

from deploy import cli
from deploy.parts import CATALOGUE
from deploy.stack import Stack
from tests.deploy.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def rest(stack: Stack, path: str):
    with urllib.request.urlopen(f"http://{stack.address('flink')}{path}", timeout=10) as answer:
        return json.load(answer)


def append(moment, path: str) -> None:
    with Path(path).open("a") as file:
        file.write(f"{round(float(moment) * 1000)} {os.environ.get('WORKER_ID')}\n")


def options(stack: Stack, *words: str) -> PipelineOptions:
    return PipelineOptions(
        [
            "--runner=PortableRunner",
            f"--job_endpoint={stack.address('jobserver')}",
            f"--artifact_endpoint={stack.address('jobserver-artifact')}",
            "--environment_type=EXTERNAL",
            f"--environment_config={stack.address('workers')}",
            "--parallelism=1",
            *words,
        ]
    )


@pytest.fixture
def ticking(stack, tmp_path):
    """A job that appends a line to a file twice a second, checkpointing each second; gives its Flink id and the file."""
    path, name = tmp_path / "ticks", f"ticking-{uuid.uuid4().hex[:8]}"
    words = [
        "--streaming",
        "--checkpointing_interval=1000",
        "--finish_bundle_before_checkpointing",
        f"--job_name={name}",
    ]
    pipeline = beam.Pipeline(options=options(stack, *words))
    _ = pipeline | "Tick" >> PeriodicImpulse(fire_interval=0.5) | "Append" >> beam.Map(append, path=str(path))
    pipeline.run()
    wait_for(path.exists, 120)
    found = {}
    # The overview is a view that Flink renews every few seconds.
    wait_for(
        lambda: (
            found.update({each["name"]: each["jid"] for each in rest(stack, "/jobs/overview")["jobs"]}) or name in found
        )
    )
    job = found[name]
    yield job, path
    # Cancelling through Beam ends the job server's view of the job, not the job.
    cancel = urllib.request.Request(f"http://{stack.address('flink')}/jobs/{job}", method="PATCH")
    urllib.request.urlopen(cancel, timeout=10).close()
    wait_for(lambda: rest(stack, f"/jobs/{job}")["state"] in ("CANCELED", "FAILED"), 60)


def ticks(path: Path) -> list[int]:
    return [int(line.split()[0]) for line in path.read_text().splitlines()]


def test_every_part_runs_and_a_second_up_does_nothing(stack):
    assert {status.part: status.state for status in stack.status()} == dict.fromkeys(CATALOGUE.names, "running")
    pids = {part: stack.pid(part) for part in CATALOGUE.names}
    assert stack.up() == []
    assert {part: stack.pid(part) for part in CATALOGUE.names} == pids


def test_the_command_line_sees_it(stack, capsys):
    assert cli.main(["status", "--json", "--dir", str(stack.directory)]) == 0
    shown = {row["part"]: row for row in json.loads(capsys.readouterr().out)}
    assert shown["kafka"]["address"] == stack.address("kafka")
    assert shown["flink-taskmanager"]["pid"] == stack.pid("flink-taskmanager")


def test_every_listening_socket_is_on_the_loopback_interface(stack):
    listening = {
        (part, connection.laddr.ip)
        for part in CATALOGUE.names
        for process in [psutil.Process(stack.pid(part)), *psutil.Process(stack.pid(part)).children(recursive=True)]
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {part for part, _ in listening} == set(CATALOGUE.names)
    assert {(part, ip) for part, ip in listening if ip not in ("127.0.0.1", "::ffff:127.0.0.1")} == set()


def test_kafka_has_its_topics(kafka):
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        described = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
    wanted = {"metrics.raw": 4, "metrics.dead-letter": 1, "metrics.late": 1, "alerts.events": 4}
    assert {name: described.get(name) for name in wanted} == wanted


def test_kafka_keeps_every_alert_event_for_a_month(kafka):
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "alerts.events")])
    [configs] = described["topic"].values()
    kept = {name: configs[name]["value"] for name in ("cleanup.policy", "retention.ms")}
    assert kept == {"cleanup.policy": "delete", "retention.ms": str(30 * 86_400_000)}


def test_kafka_does_not_make_a_topic_because_someone_asks_for_it(kafka):
    with KafkaProducer(bootstrap_servers=kafka, max_block_ms=2000) as producer, pytest.raises(KafkaError):
        producer.send("misspelt", b"x").get(10)
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        assert "misspelt" not in admin.list_topics()


def test_influxdb_has_its_buckets_with_their_retentions(idle_stack, influxdb):
    request = urllib.request.Request(
        f"{influxdb}/api/v2/buckets?org=tidemark", headers={"Authorization": f"Token {idle_stack.influx_token}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        buckets = {each["name"]: each["retentionRules"] for each in json.load(answer)["buckets"]}
    days = {name: rules[0]["everySeconds"] / 86400 for name, rules in buckets.items() if name in ("raw", "rollup_1m")}
    assert days == {"raw": 7, "rollup_1m": 30}
    assert buckets["rollup_1h"][0]["everySeconds"] == 365 * 86400


def test_the_token_is_in_its_file_only(idle_stack, influxdb):
    token = idle_stack.influx_token
    file = idle_stack.directory / "secrets" / "influx-token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    command_lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert not any(token in line for line in command_lines)
    texts = [path.read_text(errors="replace") for path in (idle_stack.directory / "logs").iterdir()]
    texts.append((idle_stack.directory / "state.json").read_text())
    assert not any(token in text for text in texts)


def test_workers_get_the_options_of_the_pipeline(stack, tmp_path):
    path = tmp_path / "workers"
    pipeline = beam.Pipeline(options=options(stack, "--max_cache_memory_usage_mb=37", "--job_name=options"))
    _ = pipeline | beam.Create([1]) | beam.Map(write_options, path=str(path))
    pipeline.run().wait_until_finish(duration=120_000)
    assert json.loads(path.read_text())["max_cache_memory_usage_mb"] in (37, "37")


def write_options(_, path: str) -> None:
    given = json.loads(os.environ["PIPELINE_OPTIONS"])
    Path(path).write_text(json.dumps({key.split(":")[2]: value for key, value in given.items()}))


def test_a_job_is_submitted_without_uploading_jars(ticking, stack):
    job, _ = ticking
    assert rest(stack, f"/jobs/{job}")["state"] == "RUNNING"
    stored = list((stack.directory / "data" / "flink").rglob("blob_*"))
    assert [path for path in stored if path.stat().st_size > 1 << 20] == []


@pytest.mark.parametrize("killed", [["workers"], ["flink-taskmanager", "flink-taskmanager"]], ids=["workers", "twice"])
def test_a_job_goes_on_from_its_checkpoint_after_kills(ticking, stack, killed):
    job, path = ticking
    wait_for(lambda: rest(stack, f"/jobs/{job}/checkpoints")["counts"]["completed"], 60)
    for part in killed:
        restored = rest(stack, f"/jobs/{job}/checkpoints")["counts"]["restored"]
        stack.kill(part)
        assert not stack.running(part)
        assert stack.up() == [part]
        # Workers outlive a TaskManager and write on for a while: what is waited for is Flink's own word, then new ticks.
        wait_for(lambda before=restored: rest(stack, f"/jobs/{job}/checkpoints")["counts"]["restored"] > before, 180)
        wait_for(lambda: rest(stack, f"/jobs/{job}")["state"] == "RUNNING", 180)
        before = len(ticks(path))
        wait_for(lambda before=before: len(ticks(path)) > before + 2, 180)
    # At least once: no tick is missing, though ticks since the last checkpoint come twice.
    steps = sorted(set(ticks(path)))
    assert {later - earlier for earlier, later in itertools.pairwise(steps)} == {500}


def test_an_instance_goes_down_and_leaves_no_process(tmp_path):
    stack = Stack(tmp_path / "own", ports="free")
    stack.up(["influxdb", "workers"])
    pids = [stack.pid("influxdb"), stack.pid("workers")]
    token = stack.influx_token
    stack.down()
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []
    assert stack.up(["influxdb"]) == ["influxdb"]
    assert stack.influx_token == token
    stack.down(wipe=True)
    assert not stack.directory.exists()
