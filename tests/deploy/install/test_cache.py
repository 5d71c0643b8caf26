"""Installs: whole or not at all, once, under a name that reports what decided the content."""

import fcntl
import multiprocessing
import os
from dataclasses import replace

import pytest

from deploy.errors import InstallFailed, MissingTools
from deploy.install.cache import Recipe, cache_dir, install
from deploy.progress import Silent
from tests.deploy.waiting import wait_for


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TIDEMARK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def recipe(build, **changes) -> Recipe:
    return replace(Recipe("thing", "1.0", (), (), build), **changes)


def write_file(build):
    (build.target / "file").write_text("content")


def leftovers(cache):
    return sorted(path.name for path in cache.iterdir() if path.name.startswith("."))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TIDEMARK_CACHE": "/a/cache"}, "/a/cache"),
        ({"TIDEMARK_CACHE": "", "XDG_CACHE_HOME": "/xdg"}, "/xdg/tidemark"),
        ({"TIDEMARK_CACHE": "", "XDG_CACHE_HOME": "", "HOME": "/home/me"}, "/home/me/.cache/tidemark"),
    ],
)
def test_the_cache_is_where_the_environment_says(environment, expected, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert str(cache_dir()) == expected


def test_an_install_is_there_afterwards_and_built_once(cache):
    built = []
    thing = recipe(lambda build: (write_file(build), built.append(build)))
    assert not thing.installed()
    directory = install(thing)
    assert (directory / "file").read_text() == "content"
    assert directory.parent == cache
    assert thing.installed()
    assert install(thing) == directory
    assert len(built) == 1
    assert leftovers(cache) == []


def test_a_build_that_fails_leaves_nothing_and_can_be_repeated(cache):
    def fail(build):
        write_file(build)
        raise InstallFailed("no")

    with pytest.raises(InstallFailed):
        install(recipe(fail))
    assert not recipe(fail).installed()
    assert leftovers(cache) == []
    assert (install(recipe(write_file)) / "file").exists()


def test_what_a_killed_build_left_is_removed(cache):
    partial = cache / f".{recipe(write_file).directory().name}.partial" / "install"
    partial.mkdir(parents=True)
    (partial / "half").write_text("")
    directory = install(recipe(write_file))
    assert [path.name for path in directory.iterdir()] == ["file"]


def test_a_command_that_fails_is_named_with_its_log_and_last_lines(cache):
    def fail(build):
        build.run(["sh", "-c", "for n in $(seq 100); do echo line $n; done; echo the reason >&2; exit 3"])

    with pytest.raises(InstallFailed) as raised:
        install(recipe(fail))
    message = str(raised.value)
    [log] = (cache / "logs").iterdir()
    assert f"sh exited with 3; the whole log is {log}" in message
    assert message.endswith("line 100\nthe reason")
    assert "line 50\n" not in message
    assert "line 1\n" in log.read_text()


def test_commands_see_the_environment_they_are_given(cache):
    thing = recipe(lambda build: build.run(["sh", "-c", 'echo "$WORD" > word'], cwd=build.target, env={"WORD": "yes"}))
    assert (install(thing) / "word").read_text() == "yes\n"


def test_a_missing_tool_is_named_before_anything_starts(cache, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingTools, match="apt-get install maven"):
        install(recipe(lambda build: pytest.fail("it started"), tools=("mvn",)))
    assert not cache.exists()


def test_the_fingerprint_follows_version_revision_and_files(tmp_path):
    lock = tmp_path / "lock"
    lock.write_text("a")
    thing = recipe(write_file, files=(lock,))
    first = thing.directory()
    assert thing.directory() == first
    lock.write_text("b")
    others = {
        first,
        thing.directory(),
        replace(thing, version="1.1").directory(),
        replace(thing, revision=2).directory(),
    }
    assert len(others) == 4
    assert first.name.startswith("thing-1.0-")


def _install_slowly(directory, go):
    def build(build):
        with (directory / "builds").open("a") as builds:
            builds.write(f"{os.getpid()}\n")
        go.wait()
        write_file(build)

    install(recipe(build))


def test_two_processes_build_a_thing_once(tmp_path):
    context = multiprocessing.get_context("fork")
    go = context.Event()
    workers = [context.Process(target=_install_slowly, args=(tmp_path, go)) for _ in range(3)]
    for worker in workers:
        worker.start()
    builds = tmp_path / "builds"
    wait_for(builds.exists)
    go.set()
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert len(builds.read_text().splitlines()) == 1


def test_waiting_for_another_process_is_reported(cache):
    class Noted(Silent):
        labels: list[str] = []  # noqa: RUF012

        def step(self, label):
            self.labels.append(label)
            if label.startswith("waiting"):
                fcntl.flock(held, fcntl.LOCK_UN)
            return super().step(label)

    thing = recipe(write_file)
    cache.mkdir()
    with (cache / f"{thing.directory().name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        install(thing, Noted())
    assert Noted.labels == ["waiting for another process that installs thing", "downloading thing 1.0"]
