"""The configurations and command lines of the parts."""

import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from deploy.errors import StackError, UnknownPart
from deploy.install.recipes import FLINK, JOBSERVER
from deploy.parts import CATALOGUE, flink, influxdb, jobserver, kafka, workers
from deploy.parts.base import HTTPStatus, Instance, get_json
from deploy.settings import Settings


@pytest.fixture
def instance(tmp_path):
    return Instance(tmp_path / "stack", CATALOGUE.standard_ports, Settings())


def properties(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def test_standard_ports():
    assert CATALOGUE.standard_ports == {
        "kafka": 9092,
        "kafka-controller": 9093,
        "influxdb": 8086,
        "flink": 8081,
        "flink-rpc": 6123,
        "jobserver": 8099,
        "jobserver-artifact": 8100,
        "jobserver-expansion": 8101,
        "workers": 50000,
    }


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], ["kafka", "influxdb", "flink-jobmanager", "flink-taskmanager", "jobserver", "workers"]),
        (["workers", "kafka"], ["kafka", "workers"]),
        (["flink"], ["flink-jobmanager", "flink-taskmanager"]),
        (["flink-taskmanager"], ["flink-jobmanager", "flink-taskmanager"]),
        (["jobserver"], ["flink-jobmanager", "flink-taskmanager", "jobserver"]),
    ],
)
def test_words_name_parts_and_what_they_need(words, names):
    assert [part.name for part in CATALOGUE.resolve(words, with_needs=True)] == names


def test_a_group_is_not_a_part():
    with pytest.raises(UnknownPart, match="no part 'flink'"):
        CATALOGUE.part("flink")


def test_kafka_listens_on_the_loopback_interface_and_makes_no_topics(instance):
    config = properties(kafka.server_properties(instance))
    assert config["listeners"] == "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"
    assert config["auto.create.topics.enable"] == "false"
    assert Path(config["log.dirs"]).is_relative_to(instance.directory)


def test_paths_with_blanks_and_other_letters_are_those_of_the_instance(tmp_path):
    # What Java reads: `\\uXXXX` is a character, and a percent sign in Flink's paths is just that.
    instance = Instance(tmp_path / "Täglich neu 日", CATALOGUE.standard_ports, Settings())
    config = properties(kafka.server_properties(instance))
    assert config["log.dirs"].endswith("/T\\u00e4glich neu \\u65e5/data/kafka/log")
    assert config["log.dirs"].encode("ascii").decode("unicode-escape") == str(instance.data("kafka") / "log")
    assert flink.configuration(instance)["state.checkpoints.dir"] == f"file://{instance.data('flink')}/checkpoints"


def test_kafka_keeps_its_cluster_id(instance):
    first, second = (kafka.command(instance).argv[5] for _ in range(2))
    assert first == second
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", first)


def test_flink_keeps_state_inside_the_instance(instance):
    config = flink.configuration(instance)
    directory = f"file://{instance.directory}"
    for key in ("state.checkpoints.dir", "state.savepoints.dir"):
        assert str(config[key]).startswith(f"{directory}/")
    assert Path(str(config["io.tmp.dirs"])).is_relative_to(instance.directory)


def test_flink_listens_on_the_loopback_interface(instance):
    config = flink.configuration(instance)
    keys = {"rest.bind-address", "jobmanager.bind-host", "taskmanager.bind-host", "rest.address", "taskmanager.host"}
    assert {config[key] for key in keys} == {"127.0.0.1"}


def test_choices_for_flink_win(instance):
    settings = Settings(slots=2, taskmanager_memory="3g", flink={"state.backend.type": "rocksdb", "new.key": "x"})
    config = flink.configuration(Instance(instance.directory, instance.ports, settings))
    assert config["taskmanager.numberOfTaskSlots"] == 2
    assert config["taskmanager.memory.process.size"] == "3g"
    assert config["state.backend.type"] == "rocksdb"
    assert config["new.key"] == "x"


needs_flink = pytest.mark.skipif(not FLINK.installed(), reason="Flink is not installed: `tidemark stack install flink`")


@needs_flink
def test_each_taskmanager_registers_under_a_new_id(instance):
    first, second = (flink.taskmanager_command(instance).argv[-1] for _ in range(2))
    assert first.startswith("taskmanager.resource-id=taskmanager-")
    assert first != second
    written = yaml.safe_load((instance.conf("flink") / "config.yaml").read_text())
    assert written == flink.configuration(instance)


@needs_flink
@pytest.mark.parametrize(
    ("chosen", "java"),
    [({}, ["-XX:TieredStopAtLevel=1"]), ({"env.java.opts.taskmanager": "-Da=1 -Db='2 3'"}, ["-Da=1", "-Db=2 3"])],
    ids=["by default", "chosen"],
)
def test_java_options_of_a_process_reach_it_alone(instance, chosen, java):
    instance = Instance(instance.directory, instance.ports, Settings(flink=chosen))
    argv = flink.taskmanager_command(instance).argv
    assert set(java) <= set(argv[: argv.index("-cp")])
    assert not set(java) & set(flink.jobmanager_command(instance).argv)


@needs_flink
def test_memory_that_does_not_fit_is_refused_with_flinks_reason(instance):
    settings = Settings(taskmanager_memory="600m")
    with pytest.raises(StackError, match="Flink refuses the configuration") as raised:
        flink.taskmanager_command(Instance(instance.directory, instance.ports, settings))
    assert "taskmanager.memory" in str(raised.value).split("\n", 1)[1]


def test_jars_of_the_job_server_that_flink_has_already_stay_off_its_class_path():
    if not JOBSERVER.installed():
        pytest.skip("the job server is not installed: `tidemark stack install jobserver`")
    every = {jar.name for jar in (JOBSERVER.directory() / "lib").iterdir()}
    cluster = {jar.name for jar in (JOBSERVER.directory() / "cluster-lib").iterdir()}
    left_out = every - cluster
    assert all(name.startswith(("flink-", "slf4j-", "log4j-")) for name in left_out)
    assert any(name.startswith("flink-runtime-") for name in left_out)
    assert any(name.startswith("beam-runners-flink-") for name in cluster)


def test_the_job_server_is_reported_its_addresses(instance):
    *words, name, artifacts = jobserver.command(instance).argv
    # A path may have blanks, which the server's parser takes in a word of their own only.
    assert (name, artifacts) == ("--artifacts-dir", str(instance.data("jobserver") / "artifacts"))
    assert dict(word[2:].split("=") for word in words if word.startswith("--")) == {
        "flink-master": "127.0.0.1:8081",
        "job-host": "127.0.0.1",
        "job-port": "8099",
        "artifact-port": "8100",
        "expansion-port": "8101",
    }


def test_no_command_line_has_a_secret(instance):
    influxdb.token_file(instance).write_text("s3cret")
    for command in (influxdb.command, kafka.command, jobserver.command, workers.command):
        assert "s3cret" not in " ".join(command(instance).argv)


def test_a_token_that_was_never_made_is_an_error(instance):
    with pytest.raises(StackError, match="was never started"):
        influxdb.token(instance)


@pytest.fixture
def server():
    """An HTTP server that answers with what a test puts into it; gives the URL and the answer."""
    answer = {"status": 200, "body": b"{}"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(answer["status"])
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}", answer
        http.shutdown()
        thread.join()


def test_an_answer_with_an_error_carries_status_and_words(server):
    url, answer = server
    answer.update(status=503, body=b"starting up")
    with pytest.raises(HTTPStatus, match="answered 503: starting up") as raised:
        get_json(url)
    assert raised.value.status == 503


def test_an_answer_that_is_not_json_is_an_error_like_no_answer(server):
    url, answer = server
    answer["body"] = b"<html>"
    with pytest.raises(OSError, match="did not answer as expected"):
        get_json(url)
    answer["body"] = b'{"a": [1]}'
    assert get_json(url) == {"a": [1]}
