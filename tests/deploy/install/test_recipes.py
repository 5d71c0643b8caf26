"""The committed descriptions of what is installed."""

import re
import xml.etree.ElementTree as ET

import pytest

from deploy.errors import InstallFailed
from deploy.install import recipes
from deploy.install.recipes import FLINK, FLINK_SQL, INFLUXDB, JOBSERVER, KAFKA, PROMETHEUS3, RECIPES, VMAGENT
from deploy.install.tools import HOW_TO_GET
from deploy.parts import CATALOGUE


def dependencies(pom):
    namespace = {"m": "http://maven.apache.org/POM/4.0.0"}
    return {
        each.findtext("m:artifactId", namespaces=namespace): each.findtext("m:version", namespaces=namespace)
        for each in ET.parse(pom).getroot().iterfind(".//m:dependency", namespace)
    }


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_tool_of_a_recipe_has_a_way_to_get_it(recipe):
    assert set(recipe.tools) <= HOW_TO_GET.keys()


@pytest.mark.parametrize("part", CATALOGUE.members, ids=CATALOGUE.names)
def test_every_tool_of_a_part_has_a_way_to_get_it(part):
    assert set(part.tools) <= HOW_TO_GET.keys()


@pytest.mark.parametrize("recipe", [KAFKA, JOBSERVER, FLINK_SQL], ids=lambda recipe: recipe.name)
def test_a_lock_has_the_direct_dependencies_of_its_pom_with_a_hash_each(recipe):
    pom, lock, *_ = recipe.files
    lines = [line.split() for line in lock.read_text().splitlines()]
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest, _ in lines)
    jars = {name for _, name in lines}
    assert len(jars) == len(lines)
    assert {f"{artifact}-{version}.jar" for artifact, version in dependencies(pom).items()} <= jars


@pytest.mark.parametrize(
    ("recipe", "artifact"),
    [(KAFKA, "kafka_2.13"), (JOBSERVER, "beam-runners-flink-1.19"), (FLINK_SQL, "flink-sql-connector-kafka")],
    ids=["kafka", "jobserver", "flink-sql"],
)
def test_the_version_of_a_recipe_is_that_of_its_pom(recipe, artifact):
    assert dependencies(recipe.files[0])[artifact] == recipe.version


def test_flink_is_pinned_by_hash():
    [line] = FLINK.files[0].read_text().splitlines()
    assert re.fullmatch(rf"apache-flink-libraries=={FLINK.version} --hash=sha256:[0-9a-f]{{64}}", line)


def test_influxdb_is_pinned_by_its_module_files():
    module = {path.name: path for path in INFLUXDB.files}
    assert f"require github.com/influxdata/influxdb/v2 v{INFLUXDB.version}" in module["go.mod"].read_text()
    assert f"github.com/influxdata/influxdb/v2 v{INFLUXDB.version} h1:" in module["go.sum"].read_text()


def test_prometheus_is_pinned_by_its_module_files():
    module = {path.name: path for path in PROMETHEUS3.files}
    assert f"github.com/prometheus/prometheus v{PROMETHEUS3.version}\n" in module["go.mod"].read_text()
    assert f"github.com/prometheus/prometheus v{PROMETHEUS3.version} h1:" in module["go.sum"].read_text()


def test_vmagent_is_pinned_by_its_module_files_and_replaces_nothing():
    module = {path.name: path.read_text() for path in VMAGENT.files}
    assert f"require github.com/VictoriaMetrics/VictoriaMetrics v{VMAGENT.version}\n" in module["go.mod"]
    assert f"github.com/VictoriaMetrics/VictoriaMetrics v{VMAGENT.version} h1:" in module["go.sum"]
    assert "replace" not in module["go.mod"]


def test_a_prometheus_on_path_is_no_substitute_and_the_error_says_what_to_run(tmp_path, monkeypatch):
    binary = tmp_path / "prometheus"
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TIDEMARK_CACHE", str(tmp_path))
    with pytest.raises(InstallFailed, match="tidemark stack install prometheus3"):
        recipes.prometheus3_binary("prometheus")


def test_prometheus_is_taken_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TIDEMARK_CACHE", str(tmp_path))
    binary = PROMETHEUS3.directory() / "bin" / "promtool"
    binary.parent.mkdir(parents=True)
    binary.touch()
    assert recipes.prometheus3_binary("promtool") == binary
