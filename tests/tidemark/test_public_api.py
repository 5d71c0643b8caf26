from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tidemark
from tidemark import packages
from tidemark.packages import ForeignPackageError, check_packages

ROOT = Path(__file__).parents[2]


def test_every_public_name_is_there_and_nothing_else() -> None:
    assert sorted(tidemark._HOME) == tidemark.__all__ == sorted(tidemark.__all__)
    for name in tidemark.__all__:
        assert getattr(tidemark, name).__name__ == name
    assert set(tidemark.__all__) <= set(dir(tidemark))
    with pytest.raises(AttributeError, match="module 'tidemark' has no attribute 'Nothing'"):
        _ = tidemark.Nothing  # type: ignore[attr-defined]


def test_what_type_checkers_see_is_what_is_imported() -> None:
    text = (ROOT / "tidemark/__init__.py").read_text()
    for module, names in tidemark._HOMES.items():
        assert f"    from {module} import {', '.join(names)}\n" in text


def test_the_documentation_names_every_transform() -> None:
    text = (ROOT / "docs/pipelines.md").read_text()
    assert [name for name in tidemark.__all__ if name not in text] == []


def test_an_import_costs_nothing() -> None:
    script = "import sys, tidemark; print(*sorted({name.partition('.')[0] for name in sys.modules} & {'apache_beam', 'numpy', 'pyarrow', 'schemas'}))"
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout == "\n"


@pytest.mark.parametrize("name", packages.PACKAGES)
def test_another_package_of_the_same_name_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    for words in (["-c", "import tidemark; tidemark.Tiers"], ["-m", "tidemark.cli", "--version"]):
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
            capture_output=True,
            text=True,
            check=False,
        )
        message = done.stderr.splitlines()[-1]
        assert f"the package '{name}' at {tmp_path / name} is not Tidemark's, which is at {ROOT / name}: " in message
        assert "environment of its own" in message
        assert done.returncode == 1


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "PACKAGES", ("schemas", "of_nobody"))
    check_packages.cache_clear()
    try:
        with pytest.raises(
            ForeignPackageError, match=r"Tidemark's package 'of_nobody' is missing beside .*install Tidemark again"
        ):
            check_packages()
    finally:
        check_packages.cache_clear()
