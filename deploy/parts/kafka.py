"""Kafka: one node that is broker and controller (KRaft), its topics made at start."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING

from deploy.install.recipes import KAFKA as RECIPE
from deploy.parts.base import Command, Instance, Part
from deploy.ports import is_open
from deploy.settings import TOPIC_CONFIGS

if TYPE_CHECKING:
    from kafka.admin import KafkaAdminClient

HEAP = "1g"


def server_properties(instance: Instance) -> str:
    """The broker's configuration; Kafka documentation 3.9, "Broker Configs" and "KRaft"."""
    broker, controller = instance.address("kafka"), instance.address("kafka-controller")
    return "\n".join(
        [
            "process.roles=broker,controller",
            "node.id=1",
            f"listeners=PLAINTEXT://{broker},CONTROLLER://{controller}",
            f"advertised.listeners=PLAINTEXT://{broker}",
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name=PLAINTEXT",
            "controller.listener.names=CONTROLLER",
            f"controller.quorum.voters=1@{controller}",
            f"log.dirs={_escaped(str(instance.data('kafka') / 'log'))}",
            # A misspelt topic must be an error, not a new topic.
            "auto.create.topics.enable=false",
            "num.partitions=1",
            "offsets.topic.replication.factor=1",
            "offsets.topic.num.partitions=4",
            "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1",
            "transaction.state.log.num.partitions=4",
            "group.initial.rebalance.delay.ms=0",
            "log.retention.hours=168",
            # Each partition preallocates its index files: small segments keep a fresh instance small.
            "log.segment.bytes=268435456",
            "",
        ]
    )


def _escaped(text: str) -> str:
    """A value of a properties file: Kafka reads it as Latin-1, anything else as escapes (Java, ``Properties.load``)."""
    units = text.encode("utf-16-be")
    codes = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
    return "".join(chr(code) if code < 0x7F and chr(code) != "\\" else f"\\u{code:04x}" for code in codes)


def command(instance: Instance) -> Command:
    """The broker's command line; formats the log directory first when it is new."""
    config = instance.conf("kafka") / "server.properties"
    config.write_text(server_properties(instance), encoding="utf-8")
    cluster = instance.data("kafka") / "cluster-id"
    if not cluster.exists():
        cluster.write_text(_cluster_id(), encoding="utf-8")
    logging = ["-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=info"]
    java = ["java", f"-Xms{HEAP}", f"-Xmx{HEAP}", *logging, "-cp", f"{RECIPE.directory()}/lib/*"]
    # `--ignore-formatted` makes formatting idempotent, so one shell line serves the first start and all later ones.
    script = 'config=$1; id=$2; shift 2; "$@" kafka.tools.StorageTool format -t "$id" -c "$config" --ignore-formatted'
    script += ' && exec "$@" kafka.Kafka "$config"'
    return Command(["sh", "-c", script, "kafka", str(config), cluster.read_text(encoding="utf-8"), *java])


def ready(instance: Instance) -> bool:
    """Whether the broker answers a metadata request."""
    from kafka.errors import KafkaError

    # kafka-python logs every refused connection, so the port is asked first.
    if not is_open(instance.ports["kafka"]):
        return False
    try:
        with _admin(instance) as admin:
            admin.list_topics()
    except KafkaError:
        return False
    return True


def make_topics(instance: Instance) -> None:
    """Create the topics of the settings that are not there.

    Raises:
        OSError: when the broker refuses.
    """
    from kafka.errors import KafkaError

    try:
        with _admin(instance) as admin:
            present = set(admin.list_topics())
            missing = {
                name: {
                    "num_partitions": partitions,
                    "replication_factor": 1,
                    "configs": TOPIC_CONFIGS.get(name, {}),
                }
                for name, partitions in instance.settings.topics.items()
                if name not in present
            }
            if missing:
                admin.create_topics(missing, wait_for_metadata=True)
    except KafkaError as error:
        raise OSError(f"the topics {', '.join(instance.settings.topics)} could not be made: {error}") from error


def _admin(instance: Instance) -> KafkaAdminClient:
    # Not before: the help of `tidemark stack` lists the parts, and is to be there at once.
    from kafka.admin import KafkaAdminClient

    return KafkaAdminClient(bootstrap_servers=instance.address("kafka"), request_timeout_ms=10_000)


def _cluster_id() -> str:
    # Kafka's ids are 16 bytes in URL-safe base64; a first bit of 0 keeps it from starting like an option.
    head, *rest = secrets.token_bytes(16)
    return base64.urlsafe_b64encode(bytes([head & 0x7F, *rest])).decode().rstrip("=")


PART = Part(
    name="kafka",
    ports={"kafka": 9092, "kafka-controller": 9093},
    version=RECIPE.version,
    recipes=(RECIPE,),
    tools=("java",),
    command=command,
    ready=ready,
    furnish=make_topics,
)
