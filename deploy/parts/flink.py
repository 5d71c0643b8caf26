"""Flink: a session cluster of one JobManager and one TaskManager.

The job server's jars stand on the cluster's own class path, so a job brings none of its own: nothing is uploaded at
submission, and a cluster that runs many jobs does not load the same classes again for each.
"""

from __future__ import annotations

import shlex
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.errors import StackError
from deploy.install.recipes import FLINK, JOBSERVER
from deploy.parts.base import Command, Instance, Part, get_json
from deploy.ports import LOOPBACK

JOBMANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
TASKMANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
BASH_JAVA_UTILS = "org.apache.flink.runtime.util.bash.BashJavaUtils"
RESOURCES = {"jobmanager": "GET_JM_RESOURCE_PARAMS", "taskmanager": "GET_TM_RESOURCE_PARAMS"}
RESULT_PREFIX = "BASH_JAVA_UTILS_EXEC_RESULT:"

# `env.java.opts.all` of the config.yaml that Flink 1.19 ships: what it reflects into since Java 17 encapsulates it.
JAVA_17 = [
    "--add-exports=java.base/sun.net.util=ALL-UNNAMED",
    "--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED",
    "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
    *(
        f"--add-exports=jdk.compiler/com.sun.tools.javac.{package}=ALL-UNNAMED"
        for package in ("api", "file", "parser", "tree", "util")
    ),
    *(
        f"--add-opens=java.base/{package}=ALL-UNNAMED"
        for package in (
            "java.lang",
            "java.net",
            "java.io",
            "java.nio",
            "sun.nio.ch",
            "java.lang.reflect",
            "java.text",
            "java.time",
            "java.util",
            "java.util.concurrent",
            "java.util.concurrent.atomic",
            "java.util.concurrent.locks",
        )
    ),
]

LOG4J = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
appender.console.name = console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %-60c %x - %m%n
logger.pekko.name = org.apache.pekko
logger.pekko.level = INFO
logger.netty.name = org.apache.flink.shaded.netty4.io.netty.channel.DefaultChannelPipeline
logger.netty.level = OFF
"""


def configuration(instance: Instance) -> dict[str, str | int | bool]:
    """The cluster's ``config.yaml``; Flink documentation 1.19, "Configuration"."""
    settings, data = instance.settings, instance.data("flink")
    return {
        "jobmanager.rpc.address": LOOPBACK,
        "jobmanager.rpc.port": instance.ports["flink-rpc"],
        "jobmanager.bind-host": LOOPBACK,
        "jobmanager.memory.process.size": "1600m",
        "rest.address": LOOPBACK,
        "rest.bind-address": LOOPBACK,
        "rest.port": instance.ports["flink"],
        "rest.bind-port": instance.ports["flink"],
        "web.submit.enable": False,
        "taskmanager.host": LOOPBACK,
        "taskmanager.bind-host": LOOPBACK,
        "taskmanager.numberOfTaskSlots": settings.slots,
        "taskmanager.memory.process.size": settings.taskmanager_memory,
        # Elements of a megabyte pass through gRPC's direct buffers: the default of 0 fails with 'Direct buffer memory'.
        "taskmanager.memory.task.off-heap.size": "768m",
        # The hashmap backend lives on the heap; managed memory serves RocksDB and Python, which runs elsewhere here.
        "taskmanager.memory.managed.fraction": "0.1",
        # A block of samples fills the default buffers: reading would wait while windows have nothing to do.
        "taskmanager.network.memory.floating-buffers-per-gate": 1000,
        "state.backend.type": "hashmap",
        # Flink takes the text after the scheme for the path as it is: a blank written as %20 would be another directory.
        "state.checkpoints.dir": f"file://{data / 'checkpoints'}",
        "state.savepoints.dir": f"file://{data / 'savepoints'}",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "io.tmp.dirs": str(_made(instance, "tmp")),
        "parallelism.default": 1,
        # A worker pool or TaskManager that is gone for minutes must not end the job; code that always fails ends it.
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "1 s",
        "restart-strategy.exponential-delay.max-backoff": "10 s",
        "restart-strategy.exponential-delay.reset-backoff-threshold": "1 min",
        "restart-strategy.exponential-delay.attempts-before-reset-backoff": 30,
        "heartbeat.interval": 2000,
        "heartbeat.timeout": 30000,
        "env.java.opts.all": " ".join(JAVA_17),
        # The optimizing compiler takes a third of a processor for minutes, and little of what it compiles runs long: the work is done in Python.
        "env.java.opts.taskmanager": "-XX:TieredStopAtLevel=1",
        **settings.flink,
    }


def jobmanager_command(instance: Instance) -> Command:
    """The JobManager's command line."""
    return _command(instance, "jobmanager", JOBMANAGER, ["--executionMode", "cluster"], {})


def taskmanager_command(instance: Instance) -> Command:
    """The TaskManager's command line; each start registers under a new id, written beside its configuration."""
    resource = f"taskmanager-{uuid.uuid4().hex[:8]}"
    _resource_file(instance).write_text(resource, encoding="utf-8")
    return _command(instance, "taskmanager", TASKMANAGER, [], {"taskmanager.resource-id": resource})


def jobmanager_ready(instance: Instance) -> bool:
    """Whether the REST API answers."""
    return "flink-version" in _rest(instance, "/overview")


def taskmanager_ready(instance: Instance) -> bool:
    """Whether the process started last, not one killed before it, is registered with its slots."""
    resource = _resource_file(instance).read_text(encoding="utf-8")
    managers = _rest(instance, "/taskmanagers")["taskmanagers"]
    return any(manager["id"] == resource and manager["slotsNumber"] for manager in managers)


def _rest(instance: Instance, path: str) -> dict[str, Any]:
    answer: dict[str, Any] = get_json(f"http://{instance.address('flink')}{path}")
    return answer


def _resource_file(instance: Instance) -> Path:
    return instance.data("flink") / "taskmanager-id"


def _made(instance: Instance, name: str) -> Path:
    directory = instance.data("flink") / name
    directory.mkdir(exist_ok=True)
    return directory


def _command(
    instance: Instance, process: str, main: str, arguments: list[str], overrides: Mapping[str, str]
) -> Command:
    conf = instance.conf("flink")
    # Not before: the help of `tidemark stack` lists the parts, and is to be there at once.
    import yaml

    configured = configuration(instance)
    (conf / "config.yaml").write_text(yaml.safe_dump(configured), encoding="utf-8")
    (conf / "log4j.properties").write_text(LOG4J, encoding="utf-8")
    flink = FLINK.directory()
    jvm, dynamic = _resource_parameters(instance, RESOURCES[process])
    # Flink's own scripts read these; nothing else does.
    jvm += shlex.split(str(configured.get(f"env.java.opts.{process}", "")))
    classpath = f"{flink}/lib/*:{JOBSERVER.directory()}/cluster-lib/*"
    argv = ["java", *jvm, *JAVA_17, f"-Dlog4j.configurationFile={conf / 'log4j.properties'}", "-cp", classpath, main]
    argv += ["--configDir", str(conf), *arguments, *dynamic]
    for key, value in overrides.items():
        argv += ["-D", f"{key}={value}"]
    return Command(argv, _environment(instance))


def _resource_parameters(instance: Instance, command: str) -> tuple[list[str], list[str]]:
    """JVM options and ``-D`` arguments that Flink derives from its memory model, as its own scripts ask for them."""
    flink, conf = FLINK.directory(), instance.conf("flink")
    classpath = f"{flink}/bin/bash-java-utils.jar:{flink}/lib/*"
    argv = ["java", "-Xmx256m", "-cp", classpath, BASH_JAVA_UTILS, command, "--configDir", str(conf)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    results = [line.removeprefix(RESULT_PREFIX) for line in done.stdout.splitlines() if line.startswith(RESULT_PREFIX)]
    if done.returncode or not results:
        lines = (done.stderr + done.stdout).strip().splitlines()[-10:]
        raise StackError(
            f"Flink refuses the configuration {conf / 'config.yaml'} (its memory sizes must fit together):\n"
            + "\n".join(lines)
        )
    jvm, *dynamic = (shlex.split(line) for line in results)
    return jvm, dynamic[0] if dynamic else []


def _environment(instance: Instance) -> dict[str, str]:
    flink = FLINK.directory()
    return {
        "FLINK_CONF_DIR": str(instance.conf("flink")),
        "FLINK_LIB_DIR": str(flink / "lib"),
        "FLINK_OPT_DIR": str(flink / "opt"),
        "FLINK_PLUGINS_DIR": str(flink / "plugins"),
        # glibc's arenas hold memory that gRPC's and RocksDB's native allocations would otherwise give back.
        "MALLOC_ARENA_MAX": "1",
    }


JOBMANAGER_PART = Part(
    name="flink-jobmanager",
    ports={"flink": 8081, "flink-rpc": 6123},
    version=FLINK.version,
    recipes=(FLINK, JOBSERVER),
    tools=("java",),
    command=jobmanager_command,
    ready=jobmanager_ready,
)

TASKMANAGER_PART = Part(
    name="flink-taskmanager",
    ports={},
    version=FLINK.version,
    recipes=(FLINK, JOBSERVER),
    tools=("java",),
    needs=("flink-jobmanager",),
    command=taskmanager_command,
    ready=taskmanager_ready,
)
