"""Where a Kafka topic is and how to reach it: the URL, the start position, security from a configuration file."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from schemas.names import check_topic
from schemas.times import parse_time

MAX_OFFSET_DIGITS = 18
"""Digits of an offset, which is a number of 64 bits."""

DISCARDED = logging.getLogger("tidemark.kafka.questions")
"""Takes what librdkafka logs of clients that ask one question: what went wrong is in the error that they raise, once and not once a try."""
DISCARDED.addHandler(logging.NullHandler())
DISCARDED.propagate = False

_VARIABLE = re.compile(r"\$\{(\w+)\}")

# Names of librdkafka's settings, and what kafka-python calls the same.
_KAFKA_PYTHON = {
    "security.protocol": "security_protocol",
    "sasl.mechanism": "sasl_mechanism",
    "sasl.mechanisms": "sasl_mechanism",
    "sasl.username": "sasl_plain_username",
    "sasl.password": "sasl_plain_password",
    "ssl.ca.location": "ssl_cafile",
    "ssl.certificate.location": "ssl_certfile",
    "ssl.key.location": "ssl_keyfile",
    "ssl.key.password": "ssl_password",
    "ssl.endpoint.identification.algorithm": "ssl_check_hostname",
}


@dataclass(frozen=True)
class KafkaTopic:
    """A topic of a cluster.

    Attributes:
        bootstrap: ``HOST:PORT[,HOST:PORT...]``.
        topic: its name.
        config: further settings of librdkafka (``security.protocol``, ``sasl.*``, ``ssl.*``); ``${NAME}`` in a value stands for an
            environment variable of the process that opens the connection, so that no secret travels with the job.
    """

    bootstrap: str
    topic: str
    config: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_url(cls, url: str, config: Mapping[str, str] | None = None) -> KafkaTopic:
        """The topic of ``kafka://HOST:PORT[,HOST:PORT...]/TOPIC``.

        Raises:
            ValueError: the URL lacks a host, a port or a topic, carries a password, or names what can be no topic.
        """
        # First of all, so that no message repeats a password.
        if "@" in url:
            raise ValueError(
                "a Kafka URL takes no user or password; put sasl.* settings into the file of --kafka-config"
            )
        parts = urlsplit(url)
        topic = parts.path.strip("/")
        if parts.scheme != "kafka" or not parts.netloc or not topic or "/" in topic or "?" in url or "#" in url:
            raise ValueError(f"not a Kafka topic: {url!r}; write kafka://HOST:PORT/TOPIC, brokers parted by commas")
        for broker in parts.netloc.split(","):
            host, colon, port = broker.rpartition(":")
            if not (host and colon and port.isascii() and port.isdigit()):
                raise ValueError(f"{url!r}: {broker!r} is no broker; write HOST:PORT")
        check_topic(repr(url), topic)
        return cls(parts.netloc, topic, dict(config or {}))

    def librdkafka(self) -> dict[str, Any]:
        """Settings of a confluent-kafka client, environment variables filled in.

        Raises:
            ValueError: a variable is not set.
        """
        return {"bootstrap.servers": self.bootstrap, **{name: expand(value) for name, value in self.config.items()}}

    def kafka_python(self) -> dict[str, Any]:
        """Settings of a kafka-python client, which serves the control plane.

        Raises:
            ValueError: a variable is not set, or kafka-python has no such setting.
        """
        settings: dict[str, Any] = {"bootstrap_servers": self.bootstrap.split(",")}
        for name, value in self.config.items():
            if name not in _KAFKA_PYTHON:
                continue
            settings[_KAFKA_PYTHON[name]] = expand(value)
        if "ssl_check_hostname" in settings:
            settings["ssl_check_hostname"] = settings["ssl_check_hostname"].lower() == "https"
        return settings


def expand(value: str) -> str:
    """The value with each ``${NAME}`` replaced by that environment variable.

    Raises:
        ValueError: the variable is not set.
    """

    def variable(found: re.Match[str]) -> str:
        try:
            return os.environ[found[1]]
        except KeyError:
            raise ValueError(
                f"environment variable {found[1]} is not set; the Kafka configuration refers to it"
            ) from None

    return _VARIABLE.sub(variable, str(value))


@dataclass(frozen=True)
class Start:
    """Where reading begins in each partition: ``kind`` is earliest, latest, offset or time; ``value`` an offset or ms."""

    kind: str = "earliest"
    value: int = 0

    @classmethod
    def parse(cls, text: str) -> Start:
        """The start that ``earliest``, ``latest``, ``offset:N`` or ``time:2024-05-01T12:00:00Z`` (or ``time:MS``) means.

        Raises:
            ValueError: anything else.
        """
        kind, _, rest = text.partition(":")
        if kind in ("earliest", "latest") and not rest:
            return cls(kind)
        if kind == "offset" and rest.isascii() and rest.isdigit() and len(rest) <= MAX_OFFSET_DIGITS:
            return cls(kind, int(rest))
        if kind == "time" and rest:
            return cls(kind, parse_time(rest))
        raise ValueError(
            f"not a start position: {text!r}; write earliest, latest, offset:N or time:2024-05-01T12:00:00Z"
        )

    def __str__(self) -> str:
        return self.kind if self.kind in ("earliest", "latest") else f"{self.kind}:{self.value}"
