from __future__ import annotations

import pytest

from transforms.io.kafka.topic import KafkaTopic, Start, expand

SECURE = {
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.username": "tidemark",
    "sasl.password": "${KAFKA_PASSWORD}",
    "ssl.ca.location": "/etc/ca.pem",
    "ssl.endpoint.identification.algorithm": "https",
    "fetch.wait.max.ms": "50",
}


@pytest.mark.parametrize(
    ("url", "bootstrap", "topic"),
    [
        ("kafka://localhost:9092/metrics.raw", "localhost:9092", "metrics.raw"),
        ("kafka://a:1,b:2/t", "a:1,b:2", "t"),
        ("kafka://[::1]:9092/t/", "[::1]:9092", "t"),
    ],
)
def test_a_url_names_brokers_and_topic(url: str, bootstrap: str, topic: str) -> None:
    found = KafkaTopic.from_url(url)
    assert (found.bootstrap, found.topic, found.config) == (bootstrap, topic, {})


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("kafka://localhost:9092", "not a Kafka topic"),
        ("kafka:///t", "not a Kafka topic"),
        ("kafka://a:1/t/u", "not a Kafka topic"),
        ("http://a:1/t", "not a Kafka topic"),
        ("kafka://localhost/t", "'localhost' is no broker; write HOST:PORT"),
        ("kafka://a:1,b/t", "'b' is no broker"),
        ("kafka://a:x/t", "'a:x' is no broker"),
        ("kafka://me:secret@a:1/t", "takes no user or password; put sasl"),
        ("kafka://a:1/..", "'kafka://a:1/..': '..' cannot be a topic: Kafka takes letters"),
        ("kafka://a:1/t\u00fcr", "cannot be a topic"),
        ("kafka://a:1/my topic", "cannot be a topic"),
        ("kafka://a:1/%2e%2e", "cannot be a topic"),
        (f"kafka://a:1/{'t' * 250}", "cannot be a topic"),
        ("kafka://a:1/t?acks=1", "not a Kafka topic"),
        ("kafka://a:1/t#1", "not a Kafka topic"),
    ],
)
def test_what_is_no_topic_is_refused_with_what_to_write(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KafkaTopic.from_url(url)


@pytest.mark.parametrize(
    "url",
    ["kafka://me:secret@a:1/t", "kafka://me:secret@a:1", "kafka://me:#secret@a:1/t", "kafka://me:secret@a:1/t?x=1"],
)
def test_a_password_in_a_url_is_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="password") as refused:
        KafkaTopic.from_url(url)
    assert "secret" not in str(refused.value)


def test_security_settings_reach_confluent_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_PASSWORD", "s3cret")
    topic = KafkaTopic.from_url("kafka://a:1,b:2/t", SECURE)
    assert topic.librdkafka() == {**SECURE, "bootstrap.servers": "a:1,b:2", "sasl.password": "s3cret"}


def test_security_settings_reach_kafka_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_PASSWORD", "s3cret")
    assert KafkaTopic.from_url("kafka://a:1,b:2/t", SECURE).kafka_python() == {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "tidemark",
        "sasl_plain_password": "s3cret",
        "ssl_cafile": "/etc/ca.pem",
        "ssl_check_hostname": True,
    }


@pytest.mark.parametrize(("said", "checked"), [("https", True), ("HTTPS", True), ("none", False)])
def test_the_broker_s_name_is_checked_unless_set_otherwise(said: str, checked: bool) -> None:
    topic = KafkaTopic("a:1", "t", {"ssl.endpoint.identification.algorithm": said})
    assert topic.kafka_python()["ssl_check_hostname"] is checked


def test_no_secret_travels_with_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_PASSWORD", "s3cret")
    assert "s3cret" not in repr(KafkaTopic.from_url("kafka://a:1/t", SECURE))


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_PASSWORD", raising=False)
    with pytest.raises(ValueError, match="KAFKA_PASSWORD is not set"):
        KafkaTopic("a:1", "t", SECURE).librdkafka()


def test_variables_stand_anywhere_in_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "1")
    monkeypatch.setenv("B", "${A}")
    assert expand("x${A}y${B}$A") == "x1y${A}$A"


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("earliest", Start("earliest")),
        ("latest", Start("latest")),
        ("offset:42", Start("offset", 42)),
        ("time:1700000000000", Start("time", 1_700_000_000_000)),
        ("time:2023-11-14T22:13:20Z", Start("time", 1_700_000_000_000)),
        ("time:2023-11-14T23:13:20+01:00", Start("time", 1_700_000_000_000)),
        ("time:2023-11-14T22:13:20", Start("time", 1_700_000_000_000)),
        ("time:2023-11-14", Start("time", 1_699_920_000_000)),
    ],
)
def test_start_positions(text: str, start: Start) -> None:
    assert Start.parse(text) == start
    assert Start.parse(str(start)) == start


@pytest.mark.parametrize("text", ["", "first", "earliest:3", "offset:", "offset:-1", "offset:x", "time:"])
def test_what_is_no_start_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write earliest, latest, offset:N or time:"):
        Start.parse(text)


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="'noon' is no time"):
        Start.parse("time:noon")
