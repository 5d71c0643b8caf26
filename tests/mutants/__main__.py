"""Mutants of the pure cores: `make mutants`, by hand; CONTRIBUTING.md says what for.

    python -m tests.mutants                                  # all of them: hours
    python -m tests.mutants 'transforms.windows.cut*'        # those whose name fits
    python -m tests.mutants --sample=50 'transforms.alerts*' # fifty of each module, the same ones each time
    python -m tests.mutants --report                         # what is known so far, nothing run

A part of ``parts.yml`` is run by itself, with the tests that are near it. Each has its folder, mutants/PART, ignored by git, and goes on where it
stopped: a mutant is run again when its function has changed. What no test notices is printed with its change, unless ``explained.yml`` says why it
changes nothing. So is what the tests did not end with in time: a loop without end, or a machine that was busy. The status is 1 if any is left.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import yaml

FOLDER = Path("mutants")
HERE = Path(__file__).parent
SURVIVED, NO_TESTS = 0, 33
"""What mutmut writes of a mutant: the exit status of the tests, or that none of them comes by it."""
TIMED_OUT = (36, 24, -24, 152, 255)
"""And that the tests did not end in time."""
FATES = ("killed", "explained", "timed out", "left", "untested", "not run")


class Explanation(NamedTuple):
    """Why mutants change nothing that anyone could see.

    Attributes:
        where: of which functions, a pattern of their mutants' names.
        change: found in the lines that it takes away and adds, a regular expression.
        why: in a sentence.
    """

    where: str
    change: str
    why: str


class Part(NamedTuple):
    """Modules, and the tests that are near them.

    Attributes:
        name: of its folder.
        mutate: files, each a pattern from the root of the repository.
        tests: paths of them.
    """

    name: str
    mutate: Sequence[str]
    tests: Sequence[str]

    @property
    def folder(self) -> Path:
        """Where mutmut runs: links to the repository, settings of its own, and in mutants/ what it makes."""
        return FOLDER / self.name

    def modules(self) -> dict[str, Path]:
        """Its files by the names of their modules."""
        files = [file for pattern in self.mutate for file in sorted(Path().glob(pattern))]
        return {".".join(file.with_suffix("").parts): file for file in files if not file.name.endswith("_pb2.py")}

    def prepare(self) -> None:
        """Make or renew its folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for entry in Path().iterdir():
            link = self.folder / entry.name
            if entry.name[:1] != "." and entry.name not in (FOLDER.name, "pyproject.toml") and not link.is_symlink():
                link.symlink_to(entry.resolve())
        project = Path("pyproject.toml").read_text()
        own = {
            "only_mutate": list(map(str, self.modules().values())),
            "pytest_add_cli_args_test_selection": list(self.tests),
        }
        values = "\n".join(f"{name} = {json.dumps(value)}" for name, value in own.items())
        settings = project.replace("[tool.mutmut]", f"[tool.mutmut]\n{values}")
        if not (file := self.folder / "pyproject.toml").exists() or file.read_text() != settings:
            file.write_text(settings)

    def run(self, names: Sequence[str], jobs: str) -> int:
        """Run the mutants of these names, all without; the status of mutmut."""
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        # Its spinner writes megabytes.
        command = [sys.executable, "-m", "mutmut", "run", "--max-children", jobs, *names]
        with (self.folder / "log").open("wb") as log:
            return subprocess.call(command, cwd=self.folder, env=environment, stdout=log, stderr=log)


class Mutant(NamedTuple):
    """A mutant: its part, its name, its file, and the status of the tests, None if they have not run."""

    part: Part
    name: str
    path: Path
    status: int | None

    def change(self) -> str:
        """The lines that it takes away and adds."""
        from mutmut.mutation.diff_apply import get_diff_for_mutant  # type: ignore[import-not-found]

        here = Path.cwd()
        os.chdir(self.part.folder)
        try:
            lines = get_diff_for_mutant(self.name, path=self.path).split("\n")[2:]
        finally:
            os.chdir(here)
        return "\n".join(line for line in lines if line[:1] in ("-", "+"))


def explanations() -> list[Explanation]:
    """Those of the file."""
    return [Explanation(**each) for each in yaml.safe_load((HERE / "explained.yml").read_text())]


def parts() -> list[Part]:
    """Those of the file, in its order."""
    return [Part(name, **part) for name, part in yaml.safe_load((HERE / "parts.yml").read_text()).items()]


def mutants(part: Part, patterns: Sequence[str]) -> Iterator[Mutant]:
    """All of a part that are known, or those whose names fit."""
    files = part.folder / FOLDER.name
    for path in part.modules().values():
        if (meta := files / f"{path}.meta").exists():
            for name, status in json.loads(meta.read_text())["exit_code_by_key"].items():
                if not patterns or any(fnmatch(name, pattern) for pattern in patterns):
                    yield Mutant(part, name, path, status)


def sample(of: Sequence[Mutant], size: int) -> list[str]:
    """The names of some of each module, the same ones each time, without those that have run."""
    modules: dict[Path, list[Mutant]] = {}
    for mutant in of:
        modules.setdefault(mutant.path, []).append(mutant)
    chosen = [random.Random(str(path)).sample(some, min(size, len(some))) for path, some in modules.items()]
    return [mutant.name for some in chosen for mutant in some if mutant.status is None]


def report(patterns: Sequence[str]) -> int:
    """Print what is left, what the tests did not end with, and the figure; the exit status."""
    known, counts = explanations(), Counter[str]()
    for mutant in (each for part in parts() for each in mutants(part, patterns)):
        fate = _fate(mutant, known)
        counts[fate] += 1
        if fate in ("left", "untested", "timed out"):
            print(f"{mutant.name} ({fate})\n{mutant.change()}\n")
    ran = counts.total() - counts["not run"]
    print(", ".join(f"{counts[fate]:,} {fate}" for fate in FATES))
    if ran:
        noticed = counts["killed"] + counts["explained"] + counts["timed out"]
        print(f"{noticed / ran:.1%} of {ran:,} killed, explained or timed out")
    return int(bool(counts["left"] or counts["untested"]))


def _fate(mutant: Mutant, known: Sequence[Explanation]) -> str:
    if mutant.status is None:
        return "not run"
    if mutant.status not in (SURVIVED, NO_TESTS, *TIMED_OUT):
        return "killed"
    change = mutant.change()
    if any(fnmatch(mutant.name, each.where) and re.search(each.change, change) for each in known):
        return "explained"
    if mutant.status in TIMED_OUT:
        return "timed out"
    return "left" if mutant.status == SURVIVED else "untested"


def _concerned(part: Part, patterns: Sequence[str]) -> bool:
    """Whether a mutant of it could have a name that fits."""
    return not patterns or any(
        pattern.startswith(f"{module}.") or fnmatch(f"{module}.x", pattern)
        for module in part.modules()
        for pattern in patterns
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Mutate the pure cores.")
    parser.add_argument("patterns", nargs="*", help="names of mutants, such as 'transforms.windows.cut*' (all)")
    parser.add_argument("--jobs", default="1", help="mutants tested at a time (%(default)s)")
    parser.add_argument(
        "--sample", type=int, default=0, metavar="N", help="run N mutants of each module, the same ones each time (all)"
    )
    parser.add_argument("--report", action="store_true", help="say what is known so far, and run nothing")
    args = parser.parse_args(argv)
    for part in parts() if not args.report else ():
        if _concerned(part, args.patterns):
            status = _run(part, args.patterns, args.sample, args.jobs)
            if status:
                print(
                    f"{part.name}: mutmut ended with {status}; its output is in {part.folder / 'log'}", file=sys.stderr
                )
                return status
    return report(args.patterns)


def _run(part: Part, patterns: Sequence[str], size: int, jobs: str) -> int:
    print(f"{part.name}: {len(part.modules())} modules ...", flush=True)
    part.prepare()
    if not size:
        return part.run(patterns, jobs)
    known = list(mutants(part, patterns))
    if not known:
        # The first run makes all mutants; of a name that does not exist it tests none, and says so in its log.
        status = part.run(["none"], jobs)
        known = list(mutants(part, patterns))
        if not known:
            return status
    names = sample(known, size)
    return part.run(names, jobs) if names else 0


if __name__ == "__main__":
    sys.exit(main())
