"""The page: one file that parses, holds all its data, and asks nothing of any network."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from schemas.alert_event import Trace, TracedSeries
from tidemark.report.alerts import AlertRule, Alerts, Episode, read_rules
from tidemark.report.html import render
from tidemark.report.payload import Block, Refusal, Report, Source, unit
from tidemark.report.series import Line, Lines, RawLine

NASTY = '</script><script>alert("x")</script><!-- <script> ${data} $data &amp; \u2028 é'


def alerts(text):
    """An episode that fired, one that late data corrected and that goes on, and one that was only pending."""
    trace = [Trace(text, (TracedSeries({"__name__": "load1", "host": text}, 60_000, 2.0, 3),), 4)]
    labels = (("host", "a"), ("text", text))
    episodes = [
        Episode(("g", "High"), labels, 0, 120_000, 600_000, 2.5, 2.0, text, {"summary": text, "runbook": text}, trace),
        Episode(("g", "High"), labels, 900_000, 960_000, None, 3.0, 3.0, "", {}, (), True),
        Episode(("g", text), (("zone", text),), 300_000, None, 360_000, 1.0, 1.0, text),
    ]
    (reads,) = read_rules("groups: [{name: g, rules: [{alert: High, expr: load1 > 1, for: 1m}]}]", "f.yml")
    return Alerts(0, 1_860_000, [reads, AlertRule("g", text, text)], episodes, 9, 1)


def report(text="plain", watched=True):
    """A small report, with one text that may be anything."""
    times = np.arange(0, 30_000, 1000, dtype=np.int64)
    values = np.linspace(0.1, 3, 30)
    target = '{host="a",job="node"}'
    computer = Source(
        "computer",
        "This computer",
        "note",
        {"10s": Lines(0, 10_000, 3, [Line("load1", target, values[:3], values[:3] - 0.1, values[:3] + 0.1)])},
        frozenset(),
        {"samples.read": 30, "samples.written": 30},
        [RawLine("load1", target, times, values)],
    )
    minutes = Line("load1", target, np.append(values, np.nan), None, None, [(2, 6)])
    hours = Line("load1", target, values[:1], None, None)
    fleet = Source(
        "fleet",
        "A fleet's day",
        text,
        {"1m": Lines(0, 60_000, 31, [minutes]), "1h": Lines(0, 3_600_000, 1, [hours])},
        frozenset(),
        {"samples.read": 31, "samples.written": 29, "samples.merged_late": 2},
        alerts=alerts(text) if watched else None,
    )
    meanings = {"samples.read": "decoded", "samples.written": "in a pane", "samples.merged_late": "late"}
    refusals = [Refusal("fleet.lp", "fleet.lp, line 2", "not a line", text)]
    return Report([computer, fleet], meanings, refusals, "now", [("store", "rows")], [("tidemark demo", text)])


class Page(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self, text):
        super().__init__()
        self.attributes, self.scripts, self.styles, self.open = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.open.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.open and self.open[-1][0] == "script":
            self.scripts.append((self.open[-1][1], data))
        if self.open and self.open[-1][0] == "style":
            self.styles.append(data)

    def handle_endtag(self, tag):
        self.open.append(("", {}))

    def script(self, identity):
        return next(text for attributes, text in self.scripts if attributes.get("id") == identity)


def test_nothing_in_it_is_asked_of_a_network():
    page = Page(render(report()))
    loads = [
        value for _, name, value in page.attributes if name in ("src", "href", "srcset", "action", "data", "poster")
    ]
    assert loads
    assert all(value.startswith("#") for value in loads)
    policy = next(value for tag, name, value in page.attributes if tag == "meta" and "default-src" in (value or ""))
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert not any("@import" in style or "url(" in style for style in page.styles)


@pytest.mark.parametrize("text", ["plain", NASTY])
def test_the_data_comes_back_whole_whatever_its_text_is(text):
    page = Page(render(report(text)))
    data = json.loads(page.script("data"))
    assert data["refusals"][0]["text"] == text
    assert data["sources"][1]["note"] == text
    assert len(page.scripts) == 3
    numbers = np.frombuffer(gzip.decompress(base64.b64decode(page.script("block"))), "<f4")
    series = data["sources"][0]["series"][0]
    begin, length = series["raw"]["value"]
    np.testing.assert_array_equal(numbers[begin : begin + length], np.linspace(0.1, 3, 30).astype("<f4"))
    begin, length = series["raw"]["ts"]
    np.testing.assert_array_equal(numbers[begin : begin + length], np.arange(30))
    begin, length = data["sources"][1]["series"][0]["tiers"]["1m"]["value"]
    assert np.isnan(numbers[begin + length - 1])
    assert data["sources"][1]["series"][0]["tiers"]["1m"]["late"] == [[2, 6]]


def test_equal_reports_give_equal_pages():
    assert render(report()) == render(report())


def test_a_band_without_width_is_left_out():
    line = report().sources[0].tiers["10s"].lines[0]
    flat = Line(line.metric, line.target, line.value, line.value, line.value)
    source = Source("fleet", "", "", {"1m": Lines(0, 60_000, 3, [flat])}, frozenset(), {})
    data = json.loads(Page(render(Report([source], {}, [], ""))).script("data"))
    assert set(data["sources"][0]["series"][0]["tiers"]["1m"]) == {"value", "late"}


def test_an_empty_block_is_a_block():
    assert gzip.decompress(base64.b64decode(Block().text())) == b""


@pytest.mark.parametrize(
    ("name", "counter", "wanted"),
    [
        ("cpu_usage_percent", False, "%"),
        ("http_latency_ms", False, "ms"),
        ("diskio_read_bytes", True, "B/s"),
        ("net_bytes_recv", True, "B/s"),
        ("mem_available", False, "B"),
        ("http_requests", True, "/s"),
        ("system_load1", False, ""),
    ],
)
def test_units(name, counter, wanted):
    assert unit(name, counter) == wanted


def shown(tmp_path, page, script=""):
    """The page's document once a browser has run it, and then a script more."""
    path = tmp_path / "report.html"
    path.write_text(
        f"{page}<script>addEventListener('load', () => setTimeout(() => {{{script}}}, 1000))</script>", encoding="utf-8"
    )
    words = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    words += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000", "--dump-dom", path.as_uri()]
    found = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True).stdout
    assert 'data-ready="true"' in found
    return Document(found)


class Document(HTMLParser):
    """A browser's document: its elements with their attributes, and the texts below each id and class."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self._open = [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.elements.append((tag, given))
        if tag not in ("meta", "input", "br"):
            self._open.append((tag, [given.get("id"), *given.get("class", "").split()]))

    def handle_endtag(self, tag):
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        for name in {name for _, names in self._open for name in names if name}:
            self.texts[name] = self.texts.get(name, "") + data

    def of(self, tag, kind=None):
        return [
            given
            for name, given in self.elements
            if name == tag and (kind is None or kind in given.get("class", "").split())
        ]


with_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the program chromium")


@with_chromium
def test_a_browser_draws_it(tmp_path):
    found = shown(tmp_path, render(report(NASTY)))
    assert len(found.of("canvas")) == 4
    assert "unaccounted for" in found.texts["figures"]
    assert "2alert episodes fired" in found.texts["figures"]
    labels = [given["aria-label"] for given in found.of("button", "bar")]
    assert len(labels) == 2
    assert labels[0].startswith("High {")
    assert labels[0].endswith("pending 1970-01-01 00:00 UTC, fired 1970-01-01 00:02 UTC for 8m")
    assert [given["class"] for given in found.of("button", "bar")] == ["bar", "bar open"]
    assert "2 episodes fired, 1 was pending and never did. Late data corrected 1 event of 9." in found.texts["alerts"]
    assert NASTY in found.texts["episodes"]
    assert "Shaded: when alerts on this metric fire." in found.texts["readout"]


@with_chromium
def test_a_bar_that_has_the_focus_reports_why(tmp_path):
    script = """
        document.querySelector('.alerts input').click();
        document.querySelector('button.bar').focus();
    """
    found = shown(tmp_path, render(report(NASTY)), script)
    assert len(found.of("button", "bar")) == 3, "those that were only pending too"
    (details,) = [given for _, given in found.elements if given.get("id") == "details"]
    assert details["role"] == "status"
    assert "hidden" not in details
    reported = found.texts["details"]
    for part in (
        f"summary{NASTY}",
        "firing1970-01-01 00:02 UTC",
        "value2.5, at last 2",
        "load1 > 1",
        "for 1m",
        "3 samples",
    ):
        assert part in reported
    assert reported.count(NASTY) == 4, "summary, runbook, selector and reason"


@with_chromium
def test_an_episode_is_shown_on_the_chart_of_its_metric(tmp_path):
    found = shown(tmp_path, render(report()), "document.querySelector('.episodes button').click();")
    pressed = [given["aria-pressed"] for given in found.of("button") if "aria-pressed" in given]
    assert pressed == ["true", "false", "false", "false", "true", "true"], (
        "auto of the tiers, host a of all, the metric"
    )
    (reset,) = [given for given in found.of("button") if given.get("id") == "reset"]
    assert "hidden" not in reset, "the chart is zoomed"


@with_chromium
def test_without_rules_there_is_no_word_of_alerts(tmp_path):
    found = shown(tmp_path, render(report(watched=False)))
    (section,) = [given for _, given in found.elements if given.get("id") == "alerts"]
    assert "hidden" in section
    assert "alert" not in found.texts["figures"]
