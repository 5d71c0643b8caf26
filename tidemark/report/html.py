"""The report's page: one file that holds its styles, scripts, the chart library and all data, and asks nothing of any network."""

from __future__ import annotations

import json

from tidemark.report.page import Static, fill
from tidemark.report.payload import Report, payload

STYLES = ("uPlot.min.css", "report.css", "timeline.css", "alerts.css")
SCRIPTS = (
    "uPlot.iife.min.js",
    "format.js",
    "timeline.js",
    "bands.js",
    "alerts.js",
    "cards.js",
    "explorer.js",
    "tables.js",
    "page.js",
)


def _static(name: str) -> Static:
    return Static("tidemark.report", name)


def render(report: Report) -> str:
    """The page as text."""
    described, block = payload(report)
    data = json.dumps(described, separators=(",", ":"), ensure_ascii=False)
    return fill(_static("report.html"), list(map(_static, STYLES)), list(map(_static, SCRIPTS)), data, block=block)
