"""The report's page: one file that holds its styles, scripts, the chart library and all data, and asks nothing of any network."""

from __future__ import annotations

import json
from importlib.resources import files
from string import Template

from pipelines.report.payload import Report, payload

STYLES = ("uPlot.min.css", "report.css")
SCRIPTS = ("uPlot.iife.min.js", "format.js", "cards.js", "explorer.js", "tables.js", "page.js")


def _static(name: str) -> str:
    return (files("pipelines.report") / "static" / name).read_text(encoding="utf-8")


def _script_text(text: str) -> str:
    # Of JSON only strings hold this character; written so, none of them can end the script element or begin a comment in it.
    return text.replace("<", "\\u003c")


def render(report: Report) -> str:
    """The page as text."""
    described, block = payload(report)
    return Template(_static("report.html")).substitute(
        styles="\n".join(_static(name) for name in STYLES),
        scripts="\n".join(_static(name) for name in SCRIPTS),
        data=_script_text(json.dumps(described, separators=(",", ":"), ensure_ascii=False)),
        block=block,
    )
