"""The comparison of peers, without running one."""

import cramjam
import pytest
from rich.console import Console

from benchmarks import peers
from benchmarks.flink_sql import job as flink_sql
from benchmarks.metering import Figures
from benchmarks.peer_runs import PEERS
from benchmarks.python_peers import environments, rollup
from benchmarks.python_peers.job import read_rows
from benchmarks.recount import Right, Row
from benchmarks.vmagent import decoded
from deploy.install.recipes import RECIPES
from schemas.codecs.remote_write import encode_write_request
from schemas.codecs.remote_write_pb2 import WriteRequest

FIGURES = Figures(seconds=20.0, samples_per_s=1_000_000, cpu_s_per_million=1.2345, peak_mb=2048)


def text_of(results):
    console = Console(width=140)
    with console.capture() as captured:
        console.print(peers.table_of(results))
    return captured.get()


def test_all_peers_run_unless_some_are_named():
    assert peers.parser().parse_args([]).only == list(PEERS)
    args = peers.parser().parse_args(["--only=bytewax,vmagent", "--scale=0.5", "--rows-only", "--json=x.json"])
    assert (args.only, args.scale, args.rows_only, args.json.name) == (["bytewax", "vmagent"], 0.5, True, "x.json")


@pytest.mark.parametrize("words", [["--only=faust"], ["--speed-only", "--rows-only"], ["--scale=much"]])
def test_mistakes_are_refused(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        peers.parser().parse_args(words)
    assert "usage: python -m benchmarks.peers" in capsys.readouterr().err


def test_the_table_has_a_line_a_peer():
    right = Right(rows=1000, untouched=1.0, late=0.99999, twice=0.0)
    done = peers.Result("Peer", "1.2", 20_000_000, FIGURES, right, "")
    text = text_of({"peer": done, "other": peers.Result("Other", "3.4", 5, None, None, ""), "third": "no such package"})
    line, other, third = (line.replace("│", " ").split() for line in text.splitlines() if "│" in line)
    # What is almost all is not all.
    assert line == ["Peer", "1.2", "20", "1,000,000", "1.23", "2,048", "100", "%", "99.9", "%", "0", "%"]
    assert other == ["Other", "3.4", *"-------"]
    assert third == ["third", "failed"]


def test_every_peer_says_what_it_does_not_do():
    assert all(peer.version and peer.lacks.endswith(".") for peer in PEERS.values())


@pytest.mark.parametrize("name", environments.NAMES)
def test_python_peers_are_pinned_and_apart(name):
    lines = environments.requirements(name).read_text().splitlines()
    assert f"{name}=={environments.version(name)}" in lines
    assert all("==" in line for line in lines)
    recipe = environments.recipe(name)
    assert recipe.directory().name.startswith(f"peer-{name}-{environments.version(name)}-")
    # Nothing that `tidemark stack install` brings.
    assert recipe.name not in RECIPES


def test_python_peers_fold_scrapes_and_write_rows(tmp_path, capsys):
    stats = rollup.fold({}, {"a": 2.0, 'b{c="d"}': 5})
    rollup.fold(stats, {"a": 1.5})
    rollup.fold(stats, {"a": 7.0})
    assert stats == {"a": [3, 10.5, 1.5, 7.0], 'b{c="d"}': [1, 5, 5, 5]}
    rows = rollup.Rows(tmp_path / "rows.csv")
    rows.add_all("h", 60_000, stats)
    rows.close()
    assert read_rows(tmp_path / "rows.csv") == [
        ("h", "a", 60_000, 3, 10.5, 1.5, 7.0),
        ("h", 'b{c="d"}', 60_000, 1, 5, 5, 5),
    ]
    discarded = rollup.Rows(None)
    discarded.add_all("h", 60_000, stats)
    discarded.close()
    assert capsys.readouterr().out == "rows: 2\nrows: 2\n"


def test_rows_of_vmagent_are_read_from_its_write_requests():
    def series(output, *samples, interval="10s"):
        return {"__name__": f"cpu:{interval}_{output}", "host": "a"}, samples

    first = [("count_samples", 4), ("sum_samples", 10.0), ("min", 1.0), ("max", 4.0), ("last", 4.0)]
    bodies = [
        encode_write_request([series(output, (value, 30_000)) for output, value in first]),
        # Half a row is none, and what is not aggregated is none either.
        encode_write_request([series("min", (1.0, 40_000)), series("max", (2.0, 40_000), interval="1m")]),
    ]
    assert WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(bodies[0])))
    assert list(decoded(bodies, ":10s_", 10_000)) == [Row('{__name__="cpu",host="a"}', 20_000, 4, 10.0, 1.0, 4.0)]


@pytest.mark.parametrize(("rows", "sink"), [(None, "'blackhole'"), ("rows", "'format' = 'csv'")])
def test_flink_sql_discards_rows_or_writes_them(rows, sink, tmp_path, monkeypatch):
    monkeypatch.setattr(flink_sql, "install", lambda recipe: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError):
        flink_sql.submit("host:1", "broker:2", "topic", tmp_path, tmp_path / rows if rows else None)
    script = (tmp_path / flink_sql.SCRIPT.name).read_text()
    assert sink in script.partition("rollup_1m")[2]
    assert "$" not in script
