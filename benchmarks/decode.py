"""How fast the wire codecs decode, on one core: ``python -m benchmarks.decode``.

Seeded input of each format goes through :class:`schemas.codecs.BlockDecoder` until it is a batch; peers are measured on the same input as far as
they go. Figures are processor time, the best of several passes with warm caches, since the codecs live as long as a job does; ``first pass`` is
the same with empty caches. ``--corpus`` counts where line protocol parsers differ from the corpus of influxdata/line-protocol.
"""

from __future__ import annotations

import argparse
import base64
import json
import platform
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cramjam
import orjson
from rich.console import Console
from rich.table import Table

from schemas.codecs import BlockDecoder
from schemas.codecs.line_syntax import parse
from schemas.codecs.remote_write import encode_labels, encode_write_request
from schemas.codecs.remote_write_pb2 import TimeSeries, WriteRequest
from schemas.records import JSON_SCRAPE, LINE_PROTOCOL, REMOTE_WRITE, BadLine, RawRecord
from schemas.series import METRIC_NAME

OUT = Path(__file__).with_name("out") / "decode.json"
PASSES = 25
NOW = 1_700_000_000_000
HOSTS = 500
PARSERS = ("line-protocol-parser", "pyilpp")


@dataclass(frozen=True)
class Figure:
    """One measurement; ``unit`` is what was counted."""

    name: str
    unit: str
    per_s: float
    samples_per_s: float | None
    first_pass_samples_per_s: float | None
    bytes_per_record: float


def scrapes(rng: random.Random) -> list[bytes]:
    """A scrape of 100 samples from each host, some 2 kB."""
    keys = [f'm{i}{{c="{i % 4}"}}' for i in range(100)]
    return [
        orjson.dumps(
            {
                "labels": {"job": "node", "host": f"web-{host}", "zone": "a"},
                "timestamp": NOW,
                "samples": {
                    key: rng.randrange(10**4) if i % 2 else round(rng.random() * 100, 2) for i, key in enumerate(keys)
                },
            }
        )
        for host in range(HOSTS)
    ]


def telegraf_lines(rng: random.Random, strings: bool) -> list[str]:
    """What five of Telegraf's plugins write for each host: 7.2 fields a line on average, integers and floats; one string more if asked for."""
    plugins = [
        (
            "cpu,cpu=cpu0",
            "usage_user usage_system usage_idle usage_nice usage_iowait usage_irq usage_steal usage_guest",
            "",
        ),
        ("mem", "used_percent available_percent", "total available used free cached"),
        ("disk,device=sda1,fstype=ext4,mode=rw,path=/", "used_percent", "total free used inodes_total inodes_free"),
        ("net,interface=eth0", "", "bytes_sent bytes_recv packets_sent packets_recv err_in err_out drop_in drop_out"),
        ("system", "load1 load5 load15", "n_cpus n_users"),
    ]
    lines = []
    for number in range(HOSTS * len(plugins)):
        head, floats, integers = plugins[number % len(plugins)]
        fields = [f"{name}={round(rng.random() * 100, 4)}" for name in floats.split()]
        fields += [f"{name}={rng.randrange(10 ** rng.randrange(1, 13))}i" for name in integers.split()]
        fields += ['uptime_format="3 days,  4:05"'] if strings else []
        lines.append(f"{head},host=web-{number // len(plugins)},dc=eu {','.join(fields)} {NOW}000000")
    return lines


def write_requests(rng: random.Random) -> list[bytes]:
    """Requests of 2,000 series, one sample each, as Prometheus sends them."""
    labels = [
        encode_labels(
            {
                METRIC_NAME: f"node_m{i % 100}_total",
                "job": "node",
                "instance": f"10.0.{i // 100}:9100",
                "cpu": str(i % 8),
                "mode": "idle",
            }
        )
        for i in range(20_000)
    ]
    return [
        encode_write_request((one, [(rng.choice((0.0, rng.random() * 1e6)), NOW)]) for one in labels[at : at + 2_000])
        for at in range(0, len(labels), 2_000)
    ]


def seconds(work: Callable[[], object]) -> float:
    """Processor time of one call."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def measure_codec(name: str, content_type: str, values: Sequence[bytes], lines: int | None = None) -> Figure:
    """A codec behind the block decoder."""
    decoder = BlockDecoder(default_content_type=content_type)
    records = [RawRecord(value, offset, NOW) for offset, value in enumerate(values)]
    block = decoder.decode_block(records, "bench", 0)
    assert not block.dead_letters, block.dead_letters[0]
    samples = len(block.batch)
    cold = min(
        seconds(lambda: BlockDecoder(default_content_type=content_type).decode_block(records, "bench", 0))
        for _ in range(3)
    )
    warm = min(seconds(lambda: decoder.decode_block(records, "bench", 0)) for _ in range(PASSES))
    counted, unit = (lines, "lines") if lines else (len(values), "records")
    return Figure(name, unit, counted / warm, samples / warm, samples / cold, sum(map(len, values)) / len(values))


def measure_peer(name: str, unit: str, counted: int, samples: int | None, work: Callable[[], object]) -> Figure:
    """Anything else on the same input."""
    taken = min(seconds(work) for _ in range(PASSES))
    return Figure(name, unit, counted / taken, samples / taken if samples else None, None, 0.0)


def decode_by_messages(requests: Sequence[bytes]) -> int:
    """Remote write by the generated classes alone, to plain tuples of labels, time and value."""
    found = 0
    for request in requests:
        for encoded in WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(request))).timeseries:
            series = TimeSeries.FromString(encoded)
            labels = tuple([(label.name, label.value) for label in series.labels])
            found += len([(labels, sample.timestamp, sample.value) for sample in series.samples])
    return found


def line_parsers() -> Iterator[tuple[str, Callable[[str], Any]]]:
    """Parsers of line protocol that are installed, by name: text in, an exception if it is refused."""
    yield "schemas.codecs.line_syntax", _parse_strictly
    for package in PARSERS:
        try:
            module = import_module(package.replace("-", "_"))
        except ImportError:
            print(f"not installed, not measured: {package}", file=sys.stderr)
            continue
        name = f"{package} {version(package)}"
        if package == "pyilpp":
            yield name, module.parse
        else:
            # It parses a line at a time.
            yield (
                name,
                lambda text, parse_line=module.parse_line: [parse_line(line) for line in text.split("\n") if line],
            )


def _parse_strictly(text: str) -> list[Any]:
    found = list(parse(text.encode("utf-8", "surrogateescape")))
    for one in found:
        if isinstance(one, BadLine):
            raise ValueError(one.reason)
    return found


def corpus_differences(corpus: Path) -> dict[str, dict[str, int]]:
    """For each parser the cases that it accepts and must refuse, and the other way round."""
    cases = json.loads(corpus.read_text())["decode"].values()
    texts = [
        (
            base64.b64decode(text["binary"]).decode("utf-8", "surrogateescape") if isinstance(text, dict) else text,
            "error" in case["output"],
        )
        for case in cases
        for text in [case["input"]["text"]]
    ]
    found: dict[str, dict[str, int]] = {}
    for name, parser in line_parsers():
        wrong = {"cases": len(texts), "wrongly_accepted": 0, "wrongly_refused": 0}
        for text, must_fail in texts:
            try:
                parser(text)
                refused = False
            except Exception:  # noqa: BLE001 - whatever a peer raises is its refusal
                refused = True
            if refused != must_fail:
                wrong["wrongly_refused" if refused else "wrongly_accepted"] += 1
        found[name] = wrong
    return found


def measure() -> list[Figure]:
    """All figures, codecs and peers."""
    rng = random.Random(1)
    documents, requests = scrapes(rng), write_requests(rng)
    plain, stringy = telegraf_lines(rng, strings=False), telegraf_lines(rng, strings=True)
    packed = ["\n".join(plain[at : at + 100]).encode() for at in range(0, len(plain), 100)]
    packed_strings = ["\n".join(stringy[at : at + 100]).encode() for at in range(0, len(stringy), 100)]
    figures = [
        measure_codec("JSON scrapes, 100 samples each", JSON_SCRAPE, documents),
        measure_peer(
            "  orjson.loads alone", "records", HOSTS, 100 * HOSTS, lambda: [orjson.loads(one) for one in documents]
        ),
        measure_codec("line protocol, 100 lines a record", LINE_PROTOCOL, packed, len(plain)),
        measure_codec("line protocol, 1 line a record", LINE_PROTOCOL, [line.encode() for line in plain], len(plain)),
        measure_codec("line protocol with strings, 100 lines", LINE_PROTOCOL, packed_strings, len(stringy)),
    ]
    for name, parser in line_parsers():
        some = plain[:100] if name.startswith("pyilpp") else plain
        figures.append(
            measure_peer(
                f"  {name}, parsed only", "lines", len(some), None, lambda p=parser, s=some: [p(one) for one in s]
            )
        )
    series = 2_000 * len(requests)
    figures += [
        measure_codec("remote write, 2,000 series a request", REMOTE_WRITE, requests),
        measure_peer(
            "  protobuf messages alone", "records", len(requests), series, lambda: decode_by_messages(requests)
        ),
    ]
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, write ``benchmarks/out/decode.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="corpus.json of influxdata/line-protocol: count differences too")
    args = parser.parse_args(argv)
    figures = measure()
    table = Table("input", "/s", "M samples/s", "first pass", "bytes/record", title="Decoding on one core")
    for figure in figures:
        table.add_row(
            figure.name,
            f"{figure.per_s / 1000:,.1f} k {figure.unit}",
            f"{figure.samples_per_s / 1e6:.2f}" if figure.samples_per_s else "",
            f"{figure.first_pass_samples_per_s / 1e6:.2f}" if figure.first_pass_samples_per_s else "",
            f"{figure.bytes_per_record:,.0f}" if figure.bytes_per_record else "",
        )
    console = Console()
    console.print(table)
    report: dict[str, Any] = {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("orjson", "numpy", "cramjam", "protobuf")},
        "figures": [asdict(figure) for figure in figures],
    }
    if args.corpus:
        report["corpus"] = corpus_differences(args.corpus)
        differences = Table("parser", "cases", "wrongly accepted", "wrongly refused", title="Against the corpus")
        for name, wrong in report["corpus"].items():
            differences.add_row(name, *map(str, wrong.values()))
        console.print(differences)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
