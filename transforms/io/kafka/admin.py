"""Kafka's control plane through kafka-python: settings from a file, a connection that fails with advice, topics looked up and created."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from kafka import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from schemas.errors import FAILURE, UserError
from schemas.records import TOPIC_CONFIGS
from transforms.io.kafka.topic import KafkaTopic

BOOTSTRAP_TIMEOUT_MS = 8_000

NO_TOPIC = ""
"""In a :class:`KafkaTopic` that stands for a cluster as a whole."""


class KafkaUnavailable(UserError):
    """The broker cannot be reached or asked; the message names it and what to look at."""

    status = FAILURE


def read_config(path: Path | None) -> dict[str, str]:
    """Settings of librdkafka (``security.protocol``, ``sasl.username``, ...) of a YAML file; empty without a file.

    Raises:
        ValueError: the file cannot be read, or holds no mapping; the message names it.
    """
    if path is None:
        return {}
    try:
        config = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; a YAML file with settings of librdkafka is wanted") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not YAML: {error}") from None
    if not isinstance(config, Mapping):
        raise ValueError(f"{path}: a mapping is wanted, such as 'security.protocol: SASL_SSL'")
    return {str(name): str(value) for name, value in config.items()}


def client_options(cluster: KafkaTopic) -> dict[str, Any]:
    """Settings of a kafka-python client that does not wait long for a broker which is not there.

    Raises:
        ValueError: the configuration names an environment variable that is not set.
    """
    return {**cluster.kafka_python(), "bootstrap_timeout_ms": BOOTSTRAP_TIMEOUT_MS}


def connect(cluster: KafkaTopic) -> KafkaAdminClient:
    """An admin client; the caller closes it.

    Raises:
        KafkaUnavailable: no broker answers, or the settings are refused.
    """
    try:
        return KafkaAdminClient(**client_options(cluster))
    except (KafkaError, OSError, ValueError) as error:
        raise unavailable(cluster, error) from None


def unavailable(cluster: KafkaTopic, error: Exception) -> KafkaUnavailable:
    """The error to show when a broker did not do what it was asked."""
    return KafkaUnavailable(
        f"Kafka at {cluster.bootstrap} does not answer ({type(error).__name__}: {error}); "
        "is it running (tidemark stack status), and are its address and --kafka-config right?"
    )


def topic_exists(admin: KafkaAdminClient, topic: str) -> bool:
    """Whether the broker has the topic."""
    return topic in admin.list_topics()


def create_topic(
    admin: KafkaAdminClient, topic: str, partitions: int, replication: int = 1, configs: Mapping[str, str] | None = None
) -> bool:
    """Create a topic; False if it is there already, with however many partitions.

    Args:
        configs: settings of the topic, over those of :data:`schemas.records.TOPIC_CONFIGS`.

    Raises:
        kafka.errors.KafkaError: the broker refuses.
    """
    try:
        settings = {**TOPIC_CONFIGS.get(topic, {}), **(configs or {})}
        made = {"num_partitions": partitions, "replication_factor": replication, "configs": settings}
        # Brokers learn of a topic one after the other: the next request must find it.
        admin.create_topics({topic: made}, wait_for_metadata=True)
    except TopicAlreadyExistsError:
        return False
    return True
