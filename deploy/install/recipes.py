"""What can be installed, and how: each build function fills one directory of the cache."""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
from pathlib import Path

from deploy.errors import InstallFailed
from deploy.install import maven
from deploy.install.cache import Build, Recipe

HERE = Path(__file__).parent
FLINK_REQUIREMENTS = HERE / "flink-requirements.txt"
INFLUXD_MODULE = HERE / "influxd_module"
PROMETHEUS_MODULE = HERE / "prometheus_module"
VMAGENT_MODULE = HERE / "vmagent_module"
JOBSERVER_MAIN = HERE / "jobserver_jars" / "JobServer.java"
PRISM_PACKAGE = "github.com/apache/beam/sdks/v2/go/cmd/prism"
PROMETHEUS_COMMANDS = ("prometheus", "promtool")
VMAGENT_PACKAGE = "github.com/VictoriaMetrics/VictoriaMetrics/app/vmagent"
PKG_CONFIG_PACKAGE = "github.com/influxdata/pkg-config@v0.2.14"

# What the cluster's own distribution already holds: on its class path twice, two versions of a class would mix.
IN_FLINK_ALREADY = ("flink-", "slf4j-", "log4j-")


def _kafka(build: Build) -> None:
    maven.copy_jars(build, *maven.description("kafka_jars"), build.target / "lib")


def _flink(build: Build) -> None:
    # Only the source distribution holds Flink's jars; pip checks its hash and needs none of its dependencies.
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "--require-hashes"]
    build.run([*pip, "--dest", str(build.scratch), "--requirement", str(FLINK_REQUIREMENTS)])
    [archive] = build.scratch.glob("apache*flink*libraries*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(build.scratch, filter="data")
    [deps] = build.scratch.glob("*/deps")
    for folder in ("bin", "lib", "opt", "plugins"):
        shutil.move(deps / folder, build.target / folder)


def _jobserver(build: Build) -> None:
    lib = build.target / "lib"
    maven.copy_jars(build, *maven.description("jobserver_jars"), lib)
    cluster = build.target / "cluster-lib"
    cluster.mkdir()
    for jar in lib.glob("*.jar"):
        if not jar.name.startswith(IN_FLINK_ALREADY):
            (cluster / jar.name).symlink_to(Path("..") / "lib" / jar.name)
    build.run(["javac", "--release", "11", "-cp", f"{lib}/*", "-d", str(build.target / "classes"), str(JOBSERVER_MAIN)])


def _flink_sql(build: Build) -> None:
    maven.copy_jars(build, *maven.description("flink_sql_jars"), build.target / "lib")


def _prism(build: Build) -> None:
    go_install(build, f"{PRISM_PACKAGE}@v{PRISM.version}", build.target / "bin")


def _influxdb(build: Build) -> None:
    tools = build.scratch / "bin"
    go_install(build, PKG_CONFIG_PACKAGE, tools)
    module = build.scratch / "module"
    shutil.copytree(INFLUXD_MODULE, module)
    wrapper = module / "rustc-wrapper"
    wrapper.chmod(0o755)
    environment = {
        "PKG_CONFIG": str(tools / "pkg-config"),
        # The source asks for an old toolchain, which rustup would download.
        "RUSTUP_TOOLCHAIN": os.environ.get("RUSTUP_TOOLCHAIN", "stable"),
        "RUSTC_WRAPPER": str(wrapper),
        "CGO_ENABLED": "1",
    }
    output = build.target / "bin" / "influxd"
    package = "github.com/influxdata/influxdb/v2/cmd/influxd"
    build.run(["go", "build", "-mod=readonly", "-o", str(output), package], cwd=module, env=environment)


def _prometheus3(build: Build) -> None:
    packages = [f"github.com/prometheus/prometheus/cmd/{name}" for name in PROMETHEUS_COMMANDS]
    _go_build(build, PROMETHEUS_MODULE, packages)


def _vmagent(build: Build) -> None:
    _go_build(build, VMAGENT_MODULE, [VMAGENT_PACKAGE])


def _go_build(build: Build, source: Path, packages: list[str]) -> None:
    """Build commands in a module of ours, whose ``go.sum`` pins everything that they need."""
    module = build.scratch / "module"
    shutil.copytree(source, module)
    binaries = f"{build.target / 'bin'}{os.sep}"
    build.run(["go", "build", "-mod=readonly", "-trimpath", "-o", binaries, *packages], cwd=module)


def go_install(build: Build, package: str, binaries: Path) -> None:
    """``go install`` of one package at a version; Go verifies the module against its checksum database."""
    build.run(["go", "install", package], env={"GOBIN": str(binaries)})


def prometheus3_binary(name: str) -> Path:
    """``prometheus`` or ``promtool``, from the cache only.

    What PATH holds is not asked: verdicts and values differ between versions (2.x closes ranges on the left, for one), and what we are
    compared with has to be the same version everywhere.

    Raises:
        InstallFailed: when it is not installed.
    """
    binary = PROMETHEUS3.directory() / "bin" / name
    if not binary.is_file():
        raise InstallFailed(f"{name} {PROMETHEUS3.version} is not in the cache: `tidemark stack install prometheus3`")
    return binary


KAFKA = Recipe("kafka", "3.9.1", ("java", "mvn"), maven.description("kafka_jars"), _kafka)
FLINK = Recipe("flink", "1.19.3", (), (FLINK_REQUIREMENTS,), _flink)
JOBSERVER = Recipe(
    "jobserver", "2.62.0", ("javac", "mvn"), (*maven.description("jobserver_jars"), JOBSERVER_MAIN), _jobserver
)
FLINK_SQL = Recipe("flink-sql", "3.2.0-1.19", ("java", "mvn"), maven.description("flink_sql_jars"), _flink_sql)
PRISM = Recipe("prism", "2.77.0", ("go",), (), _prism, verb="building (about 3 minutes)")
INFLUXDB = Recipe(
    "influxdb",
    "2.7.12",
    ("go", "cargo", "cc"),
    tuple(sorted(path for path in INFLUXD_MODULE.iterdir() if path.is_file())),
    _influxdb,
    verb="building (about 7 minutes)",
)
PROMETHEUS3 = Recipe(
    "prometheus3",
    "0.314.0",
    ("go",),
    tuple(sorted(PROMETHEUS_MODULE.iterdir())),
    _prometheus3,
    verb="building (about 10 minutes)",
)
VMAGENT = Recipe(
    "vmagent",
    "1.151.0",
    ("go",),
    tuple(sorted(VMAGENT_MODULE.iterdir())),
    _vmagent,
    verb="building (about 3 minutes)",
)

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (KAFKA, FLINK, JOBSERVER, INFLUXDB, PRISM, FLINK_SQL, PROMETHEUS3, VMAGENT)
}
