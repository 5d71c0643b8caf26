"""Packaging of Tidemark: the application's own environment, and what ``--setup_file`` ships to workers."""

from setuptools import setup

PACKAGES = [
    "tidemark",
    "tidemark.demo",
    "tidemark.generate",
    "tidemark.report",
    "tidemark.rules",
    "tidemark.rules.arguments",
    "tidemark.store",
    "tidemark.submit",
    "tidemark.topics",
    "pipelines",
    "pipelines.options",
    "pipelines.plans",
    "pipelines.runners",
    "transforms",
    "transforms.alerts",
    "transforms.alerts.fragments",
    "transforms.alerts.groups",
    "transforms.alerts.live",
    "transforms.alerts.rule_files",
    "transforms.alerts.shards",
    "transforms.intake",
    "transforms.io",
    "transforms.io.blackhole",
    "transforms.io.files",
    "transforms.io.history",
    "transforms.io.influxdb",
    "transforms.io.kafka",
    "transforms.io.parquet",
    "transforms.io.prometheus",
    "transforms.losses",
    "transforms.machines",
    "transforms.rollups",
    "transforms.windows",
    "rules",
    "rules.backtest",
    "rules.diagnostics",
    "rules.evaluation",
    "rules.events",
    "rules.files",
    "rules.files.yaml",
    "rules.golang",
    "rules.lints",
    "rules.planning",
    "rules.promql",
    "rules.promql.digests",
    "rules.promql.functions",
    "rules.promql.scripts",
    "rules.promql.syntax",
    "rules.templates",
    "rules.templates.fmt",
    "rules.unit_tests",
    "schemas",
    "schemas.codecs",
    "schemas.forms",
    "services",
    "services.agent",
    "services.kit",
    "deploy",
    "deploy.install",
    "deploy.parts",
    "deploy.workers",
]

PACKAGE_DATA = {
    "tidemark.rules": ["static/*"],
    "tidemark.demo": ["rules/*.yml"],
    "tidemark.report": ["static/*"],
    "rules": ["library/*.yml", "library/tests/*.yml"],
    "deploy": ["compose.yaml"],
    "schemas": ["*.json"],
    "schemas.codecs": ["*.json", "*.proto", "*.pyi"],
    "deploy.install": ["*.txt", "*_jars/*", "influxd_module/*", "prometheus_module/*", "vmagent_module/*"],
}

# Ranges are what is known to work, with an upper bound where a major version has broken us or is known to change what is used here.
# What is installed by `make` is one point in them: requirements.lock (`make lock`).
INSTALL_REQUIRES = [
    # The job server, Prism and the worker protocol are tested with exactly this SDK line.
    "apache-beam==2.77.*",
    "confluent-kafka>=2.11,<3",
    "kafka-python>=3.0,<4",
    "influxdb-client>=1.50,<2",
    "pyarrow>=18",
    "numpy>=2.0,<3",
    "orjson>=3.10",
    "cramjam>=2.10",
    "protobuf>=5.29,<7",
    "pyyaml>=6.0,<7",
    # Label patterns are RE2: its own engine, linear in time on any pattern.
    "google-re2>=1.1",
    "psutil>=6.0",
    "rich>=13.0",
    # `--setup_file` makes a source distribution of the job with it; Python 3.12 brings none.
    "setuptools>=70.1",
]

setup(
    name="tidemark",
    version="0.1.0",
    description="Apache Beam streaming jobs for infrastructure metrics and ad clicks",
    license="Apache-2.0",
    python_requires=">=3.10,<3.13",
    packages=PACKAGES,
    include_package_data=True,
    package_data=PACKAGE_DATA,
    install_requires=INSTALL_REQUIRES,
    extras_require={
        "dev": [
            "pytest>=8.3,<10",
            "pytest-timeout>=2.3",
            # Fast tests run side by side, a process for each processor.
            "pytest-xdist>=3.6",
            "hypothesis>=6.120",
            # 2.0 dropped a cast that the tests had used.
            "duckdb>=1.1,<3",
            "jsonschema>=4.20",
            "ruff>=0.12",
            "mypy>=1.15",
            "types-PyYAML",
            # Resolves requirements.lock for all Python versions at once (pip-tools does one at a time).
            "uv>=0.9",
        ]
    },
    entry_points={"console_scripts": ["tidemark = tidemark.cli:main"]},
)
