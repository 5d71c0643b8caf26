"""What docs/architecture.md says about the code's structure, checked in the syntax trees: nothing is imported, so lazy imports count too."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What each layer may import of ours; the empty name stands for the layer itself.
LAYERS = {
    "schemas": ("schemas",),
    "rules": ("schemas", "rules"),
    # The client of HTTP rests on nothing, and the stack, which knows no transforms, has it too.
    "transforms": ("schemas", "rules", "transforms", "services.kit.http"),
    "services": ("schemas", "rules", "transforms", "services"),
    # A job run as a module goes the way of the command: `python -m pipelines.metrics`.
    "pipelines": ("schemas", "rules", "transforms", "services", "pipelines", "tidemark.cli"),
    # `tidemark submit` asks the local stack where its parts are.
    "tidemark": ("schemas", "rules", "transforms", "services", "pipelines", "tidemark", "deploy"),
    # Where the job's own packages are broken or absent, the stack still starts.
    "deploy": ("deploy", "services.kit", "schemas.errors"),
}
OURS = (*LAYERS, "benchmarks", "tests")
FRAMEWORKS = {
    "apache_beam",
    "confluent_kafka",
    "kafka",
    "influxdb_client",
    "urllib3",
    "requests",
    "socket",
    "subprocess",
}
CLOCKS = {"now", "today", "utcnow", "monotonic", "perf_counter", "process_time", "time_ns", "sleep"}
HOSTS = {
    "127.0.0.1",
    "localhost",
    "github.com",
    "json-schema.org",
    # The namespace of a POM, no address.
    "maven.apache.org",
    "prometheus.io",
}


def modules(*folders: str) -> list[Path]:
    return sorted(
        path for folder in folders for path in (ROOT / folder).rglob("*.py") if not path.stem.endswith("_pb2")
    )


GLUE = ("beam", "source", "sink")
"""Names of the modules of `transforms/` that know Beam."""
ROOMS = ("alerts", "losses", "machines", "rollups", "windows")
"""Rooms of `transforms/` whose other modules are core as well; the others reach files, servers or processes."""


def pure_modules() -> list[Path]:
    return (
        modules("schemas", "rules")
        + [path for path in modules(*(f"transforms/{room}" for room in ROOMS)) if path.stem not in GLUE]
        + [ROOT / "transforms" / name for name in ("accounting.py", "io/outputs.py", "ledger.py")]
    )


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that a module imports; ``from a import b`` is ``a.b``."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{where(path, node.lineno)}: imports are absolute"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_downward(layer: str) -> None:
    wrong = [
        f"{where(path, line)} imports {name}"
        for path in modules(layer)
        for line, name in imports(path)
        if within(name, OURS) and not within(name, LAYERS[layer])
    ]
    assert wrong == []


def test_what_all_commands_share_rests_on_nothing_else() -> None:
    ours = [
        f"{where(path, line)} imports {name}"
        for path in modules("services/kit")
        for line, name in imports(path)
        if within(name, OURS) and not within(name, ("services.kit", "schemas.errors", "schemas.numbers"))
    ]
    assert ours == []


def test_the_core_knows_no_framework() -> None:
    wrong = [
        f"{where(path, line)} imports {name}"
        for path in pure_modules()
        for line, name in imports(path)
        if name.partition(".")[0] in FRAMEWORKS
    ]
    assert wrong == []


def test_glue_alone_knows_beam() -> None:
    wrong = [
        f"{where(path, line)} imports {name}"
        for path in modules("transforms", "services", "tidemark")
        for line, name in imports(path)
        if name.partition(".")[0] == "apache_beam" and path.stem not in GLUE
    ]
    assert wrong == []


def test_the_core_rests_on_the_core() -> None:
    pure = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in pure_modules()}
    wrong = [
        f"{where(path, line)} imports {name}"
        for path in pure_modules()
        for line, name in imports(path)
        if within(name, ("transforms",)) and not {name, name.rpartition(".")[0]} & pure
    ]
    assert wrong == []


def test_no_module_leads_back_to_itself() -> None:
    """Imports at the top of a module; one inside a function is made when it runs."""
    known = {module_of(path): path for path in modules(*LAYERS)}
    leads = {
        name: {each if each in known else each.rpartition(".")[0] for each in imported_at_the_top(path)} & known.keys()
        for name, path in known.items()
    }
    done: set[str] = set()
    circles: list[str] = []

    def visit(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            circles.append(" > ".join((*way[way.index(name) :], name)))
        elif name not in done:
            for each in sorted(leads[name] - {name}):
                visit(each, (*way, name))
            done.add(name)

    for name in sorted(known):
        visit(name, ())
    assert circles == []


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_at_the_top(path: Path) -> Iterator[str]:
    for node in tree(path).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_core_has_no_clock() -> None:
    imported = [
        where(path, line)
        for path in pure_modules()
        for line, name in imports(path)
        if name.partition(".")[0] in ("time", "random")
    ]
    called = [
        where(path, node.lineno)
        for path in pure_modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS
    ]
    assert imported + called == []


def test_results_do_not_depend_on_the_hash_of_a_process() -> None:
    wrong = [
        where(path, node.lineno)
        for path in modules("schemas", "rules", "transforms")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "hash"
    ]
    assert wrong == []


# What decides the kind of a rule, and what writes rules as a file.
KNOW_KINDS = {"rules/evaluation/kinds.py", "transforms/alerts/unit_tests.py"}


def test_rules_are_not_asked_for_their_kind() -> None:
    """Where rules are evaluated, `RuleKind` does what depends on it."""
    asking = {
        str(path.relative_to(ROOT))
        for path in modules("rules/evaluation", "rules/events", "rules/planning", "rules/backtest", "transforms/alerts")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance"
        if {"AlertingRule", "RecordingRule"}
        & {each.id for each in ast.walk(node.args[1]) if isinstance(each, ast.Name)}
    }
    assert asking == KNOW_KINDS


def test_a_job_defines_no_dofn() -> None:
    wrong = [
        where(path, node.lineno)
        for path in modules("pipelines")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).rpartition(".")[2] == "DoFn" for base in node.bases)
    ]
    assert wrong == []


def test_one_place_reports_an_error_of_the_user() -> None:
    """A command raises `UserError`; `services.kit.commands` prints it. None returns an exit status for an error that it caught."""
    wrong = [
        where(path, node.lineno)
        for path in modules("tidemark", "pipelines", "deploy", "services")
        for handler in ast.walk(tree(path))
        if isinstance(handler, ast.ExceptHandler) and path.parent.name != "kit"
        for node in ast.walk(handler)
        if isinstance(node, ast.Return)
        and isinstance(node.value, ast.Constant)
        and type(node.value.value) is int
        and node.value.value
    ]
    assert wrong == []


def test_setup_names_every_package() -> None:
    (named,) = (
        ast.literal_eval(node.value)
        for node in tree(ROOT / "setup.py").body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PACKAGES"
    )
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in modules(*LAYERS)}
    assert sorted(named) == sorted(folders)
    unmarked = [folder for folder in folders if not (ROOT.joinpath(*folder.split(".")) / "__init__.py").exists()]
    assert unmarked == []


@cache
def texts() -> dict[Path, str]:
    """Every text file of the checkout that is or would be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout: its files cannot be known from what tools left in it")
    found = {}
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.is_file() and path.name not in ("LICENSE", "go.sum", "uPlot.iife.min.js"):
            found[path] = path.read_text(errors="replace")
    return found


def lines_with(pattern: re.Pattern[str]) -> Iterator[tuple[str, re.Match[str]]]:
    for path, text in texts().items():
        for number, line in enumerate(text.splitlines(), 1):
            for found in pattern.finditer(line):
                yield where(path, number), found


def test_no_file_knows_the_place_it_was_written_in() -> None:
    places = re.compile("|".join(re.escape(f"{place}/") for place in {ROOT, Path.home()} if place != Path("/")))
    assert [place for place, _ in lines_with(places)] == []


def test_urls_lead_to_documents_and_to_the_loopback_interface_only() -> None:
    # Packages come by name through their ordinary clients, whatever registry those are set to.
    urls = re.compile(r"https?://([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")
    wrong = [(place, found[1]) for place, found in lines_with(urls) if found[1] not in HOSTS]
    assert [entry for entry in wrong if not entry[1].endswith((".example", ".example.com", ".example.org"))] == []


def test_nothing_is_left_to_be_done() -> None:
    marks = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    assert [place for place, _ in lines_with(marks)] == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path, text in texts().items()
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
        if not (path.parent / target).exists()
    ]
    assert broken == []
