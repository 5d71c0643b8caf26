"""Beam's job server for Flink: turns portable pipelines into Flink jobs."""

from __future__ import annotations

from deploy.install.recipes import JOBSERVER as RECIPE
from deploy.parts.base import Command, Instance, Part
from deploy.ports import LOOPBACK, is_open

PORTS = {"jobserver": 8099, "jobserver-artifact": 8100, "jobserver-expansion": 8101}
MAIN = "JobServer"  # ours: install/jobserver_jars/JobServer.java
HEAP = "1g"


def command(instance: Instance) -> Command:
    """The job server's command line."""
    installed = RECIPE.directory()
    argv = ["java", f"-Xmx{HEAP}", "-Dorg.slf4j.simpleLogger.showDateTime=true"]
    argv += ["-cp", f"{installed}/classes:{installed}/lib/*", MAIN]
    argv += [f"--flink-master={instance.address('flink')}", f"--job-host={LOOPBACK}"]
    argv += [f"--job-port={instance.ports['jobserver']}"]
    argv += [f"--artifact-port={instance.ports['jobserver-artifact']}"]
    argv += [f"--expansion-port={instance.ports['jobserver-expansion']}"]
    # A word of its own: behind an equals sign the server's parser takes no blank.
    argv += ["--artifacts-dir", str(instance.data("jobserver") / "artifacts")]
    return Command(argv)


def ready(instance: Instance) -> bool:
    """Whether all of its services listen."""
    return all(is_open(instance.ports[name]) for name in PORTS)


PART = Part(
    name="jobserver",
    ports=PORTS,
    version=RECIPE.version,
    recipes=(RECIPE,),
    tools=("java",),
    needs=("flink-jobmanager", "flink-taskmanager"),
    command=command,
    ready=ready,
)
