"""Which files a search takes for rule files, broken ones among them, and which it leaves out."""

from __future__ import annotations

import pytest

from rules.files.other_files import NO_GROUPS, OBJECTS, TEMPLATES, UNIT_TESTS, kind_of, left_out

RULES = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up == 0\n"
CONFIGURATIONS, COMPOSE, CHARTS = "configurations", "Compose files", "charts and their values"
OBJECT = "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nspec:\n"


def inside(text: str, lead: str = "  ") -> str:
    return "".join(f"{lead}{line}\n" for line in text.splitlines())


OTHERS = [
    ("services:\n  web: {image: nginx}\nvolumes: {}\n", COMPOSE),
    ("version: '3'\nservices:\n\tweb: {}\n", COMPOSE),
    ("replicaCount: 1\nserverFiles:\n  alerting_rules.yml:\n" + inside(RULES, "    "), CHARTS),
    ("apiVersion: v2\nname: chart\nappVersion: '1'\n", CHARTS),
    ("apiVersion: v1\nkind: ConfigMap\ndata:\n  rules.yml: |\n" + inside(RULES, "    "), OBJECTS),
    ("apiVersion: apps/v1\nkind: Deployment\n---\napiVersion: v1\nkind: Service\n", OBJECTS),
    ("apiVersion: v1\nkind: Pod\nspec: [\n", OBJECTS),
    (OBJECT + "{{- if .Values.rules }}\n" + inside(RULES) + "{{- end }}\n", TEMPLATES),
    ("{{- range .Values.groups }}\n" + RULES + "{{- end }}\n", TEMPLATES),
    (OBJECT.replace("spec:", 'metadata:\n  name: {{ include "chart.name" . }}\nspec:') + inside(RULES), TEMPLATES),
    ("global: {}\nroute: {receiver: a}\nreceivers: [{name: a}]\n", CONFIGURATIONS),
    ("global: {scrape_interval: 1m}\nrule_files: [a.yml]\nscrape_configs: []\n", CONFIGURATIONS),
    ("apiVersion: v2\nname: x\nversion: 1.0.0\n", CHARTS),
    ("prometheusRule:\n  enabled: true\n  rules:\n  - alert: A\n    expr: up\n", NO_GROUPS),
    ("enabled: true\nrules:\n- alert: A\n  expr: up\n", NO_GROUPS),
    ("{% for h in hosts %}\n- targets: [{{ h }}]\n{% endfor %}\n", TEMPLATES),
    ("rule_files: [a.yml]\ntests: []\n", UNIT_TESTS),
    ("lowercaseOutputName: true\nrules:\n- pattern: '.*'\n  name: x\n", CONFIGURATIONS),
    ("modules:\n  http_2xx: {prober: http}\n", CONFIGURATIONS),
    ("pg_database:\n  query: SELECT 1\n  metrics: []\n", NO_GROUPS),
    ("- targets: ['a:9100']\n  labels: {job: node}\n", NO_GROUPS),
    ("- hosts: all\n  tasks: []\n", NO_GROUPS),
    ("openapi: 3.0.0\npaths: {}\n", NO_GROUPS),
    ("a: 1\nb: [\n", NO_GROUPS),
    ("group: www-data\nowner: root\n", NO_GROUPS),
    ("apiVersion: 1\ngroups:\n- orgId: 1\n  name: g\n  folder: f\n  rules: []\n", "alert rules of Grafana"),
    ("$ANSIBLE_VAULT;1.1;AES256\n3633\n", "encrypted files"),
]


@pytest.mark.parametrize(("text", "kind"), OTHERS)
def test_what_is_no_rule_file(text: str, kind: str) -> None:
    assert kind_of(text) == kind


@pytest.mark.parametrize(
    "text",
    [
        RULES,
        '{"groups": []}',
        "'groups': []\n",
        OBJECT + inside(RULES),
        OBJECT.replace("PrometheusRule", "Prometheusrule") + inside(RULES),
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: m/v1\n  kind: PrometheusRule\n  spec: {}\n",
        "apiVersion: v1\nkind: Service\n---\n" + OBJECT + inside(RULES),
        # Broken ones.
        RULES.replace("groups", "group"),
        RULES.replace("groups", "Groups"),
        RULES.replace("groups", "alerts"),
        RULES.replace("up == 0", "{{ x }} y"),
        RULES.replace("up == 0", "up == 0\n\tfor: 5m"),
        RULES.replace("groups:", "gruops:").replace("up == 0", "{{ x }} y"),
        RULES.removeprefix("groups:\n"),
        "rules:\n- alert: A\n  expr: up\n",
        "- record: a\n  expr: up\n",
        "alert: A\nexpr: up\n",
        "services: {}\n" + RULES,
        OBJECT + inside(RULES).replace("up == 0", "{{ x }} y"),
        RULES.replace("groups:", "groups"),
        RULES.replace("groups:", "groups :"),
        "apiVersion: monitoring.coreos.com/v1\nspec:\n" + inside(RULES),
        "{% raw %}\n" + RULES + "{% endraw %}\n",
        "[",
        "text",
        "",
        "# nothing\n",
    ],
)
def test_what_is_one_whole_or_broken(text: str) -> None:
    assert kind_of(text) is None


def test_one_line_reports_how_many_were_left_out_and_why() -> None:
    assert left_out([("a.yml", UNIT_TESTS)]) == (
        "left out 1 file without rules: unit tests (a.yml); name a file to have it read all the same"
    )
    assert left_out([("a.yml", UNIT_TESTS), ("b.yml", OBJECTS), ("c.yml", OBJECTS)]).startswith(
        "left out 3 files without rules: Kubernetes objects (2, such as b.yml), unit tests (a.yml);"
    )


@pytest.mark.parametrize(
    "text",
    [
        "{" * 1_000_000,
        "{{ " * 300_000,
        "{{ include" + " " * 1_000_000,
        "a\n" * 300_000 + "b: c: d",
        "a" * 1_000_000 + ":" * 9,
    ],
)
def test_a_hostile_file_is_looked_at_soon(text: str) -> None:
    assert kind_of(text) in (None, NO_GROUPS, TEMPLATES)
