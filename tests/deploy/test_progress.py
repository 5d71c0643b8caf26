"""What people see of a longer operation."""

import io
import re

import pytest
from rich.console import Console

from deploy.progress import Plain, Terminal


def run(reporter):
    reporter.note("kafka runs already")
    with reporter.step("starting flink"):
        pass
    with pytest.raises(ValueError, match="no"), reporter.step("starting [b]influxdb[/b]"):
        raise ValueError("no")


def test_plain_lines_report_when_a_step_begins_and_how_it_ended():
    shown = io.StringIO()
    run(Plain(shown))
    assert re.sub(r"\d+\.\d", "N", shown.getvalue()).splitlines() == [
        "kafka runs already",
        "starting flink ...",
        "starting flink: done in N s",
        "starting [b]influxdb[/b] ...",
        "starting [b]influxdb[/b]: failed after N s",
    ]


def test_a_terminal_keeps_a_line_for_each_step():
    shown = io.StringIO()
    run(Terminal(Console(file=shown, force_terminal=True, color_system=None, width=80)))
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", shown.getvalue()).splitlines()
    kept = [re.sub(r"\d+\.\d", "N", line) for line in lines if line[:1] in "·✓✗" and line]
    assert kept == ["· kafka runs already", "✓ starting flink (N s)", "✗ starting [b]influxdb[/b] (N s)"]
