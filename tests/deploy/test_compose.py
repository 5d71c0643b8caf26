"""The compose file, as far as it can be checked without starting it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.install.recipes import FLINK, INFLUXDB, KAFKA, PRISM
from deploy.parts import CATALOGUE
from deploy.settings import BUCKETS, TOPIC_CONFIGS, TOPICS
from schemas import records
from schemas.alert_event import TOPIC_ALERT_EVENTS

FILE = Path(__file__).parents[2] / "deploy" / "compose.yaml"
# Ports which only processes inside the stack use.
INTERNAL = {"kafka-controller", "flink-rpc"}


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load(FILE.read_text())


def test_every_part_is_a_service(compose):
    assert set(CATALOGUE.names) <= compose["services"].keys()


def test_every_image_is_pinned_to_a_release(compose):
    images = {name: service["image"] for name, service in compose["services"].items()}
    assert {name: image for name, image in images.items() if not re.search(r":\d+\.\d+\.\d+", image)} == {}


@pytest.mark.parametrize(
    ("service", "version"),
    [
        ("kafka", KAFKA.version),
        ("flink-jobmanager", FLINK.version),
        ("influxdb", INFLUXDB.version),
        ("jobserver", PRISM.version),  # the job server is built in step with the SDK, as Prism is
        ("workers", PRISM.version),
    ],
)
def test_versions_are_those_of_the_local_stack(compose, service, version):
    assert compose["services"][service]["image"].split(":")[1].startswith(version)


def test_ports_are_those_of_the_local_stack_on_the_loopback_interface(compose):
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    wanted = {number for name, number in CATALOGUE.standard_ports.items() if name not in INTERNAL}
    assert sorted(published) == sorted(f"127.0.0.1:{number}:{number}" for number in wanted)


def test_every_server_is_in_the_shared_network_namespace(compose):
    for name in CATALOGUE.names:
        assert compose["services"][name]["network_mode"] == "service:network"


def test_topics_are_those_of_the_local_stack(compose):
    [text] = compose["services"]["topics"]["command"]
    made = re.findall(r"^create (\S+) (\d+)(.*)$", text, re.MULTILINE)
    assert {name: int(count) for name, count, _ in made} == TOPICS
    configs = {name: dict(re.findall(r"--config (\S+)=(\S+)", options)) for name, _, options in made}
    assert configs == {name: TOPIC_CONFIGS.get(name, {}) for name in TOPICS}


def test_a_topic_is_the_same_whoever_makes_it():
    assert TOPIC_CONFIGS == records.TOPIC_CONFIGS
    named = {records.TOPIC_RAW, records.TOPIC_DEAD_LETTER, records.TOPIC_LATE, TOPIC_ALERT_EVENTS}
    assert set(TOPICS) == named


def test_buckets_are_those_of_the_local_stack(compose):
    environment = compose["services"]["influxdb"]["environment"]
    made = {environment["DOCKER_INFLUXDB_INIT_BUCKET"]: environment["DOCKER_INFLUXDB_INIT_RETENTION"]}
    [text] = compose["services"]["buckets"]["command"]
    made.update(re.findall(r"^create (\S+) (\d+h)$", text, re.MULTILINE))
    assert {name: int(hours.removesuffix("h")) * 3600 for name, hours in made.items()} == BUCKETS


def test_no_secret_is_in_the_file(compose):
    assert compose["secrets"] == {"influx-token": {"environment": "INFLUX_TOKEN"}}
    assert not re.search(r"(?i)(password|token)\s*[:=]\s*[\"']?[A-Za-z0-9+/_-]{16,}", FILE.read_text())


def test_docker_accepts_it(monkeypatch):
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("the Docker compose plugin is not installed")
    monkeypatch.setenv("INFLUX_TOKEN", "x" * 32)
    done = subprocess.run(
        [docker, "compose", "-f", str(FILE), "config", "--quiet"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
