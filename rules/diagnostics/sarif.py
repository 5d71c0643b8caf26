"""Diagnostics as SARIF 2.1.0 (OASIS), which code hosts show beside the changed lines."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

import orjson

from rules.diagnostics.codes import CODES
from rules.diagnostics.model import Diagnostic, Severity

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def sarif_of(diagnostics: Iterable[Diagnostic]) -> bytes:
    """One run of the tool ``tidemark rules check``; files are URIs relative to where it ran, columns count characters."""
    codes = list(CODES)
    results = [
        {
            "ruleId": each.code,
            "ruleIndex": codes.index(each.code),
            "level": _LEVELS[each.severity],
            "message": {"text": _text(f"{each.message}. {each.hint}" if each.hint else each.message)},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(each.file.replace("\\", "/").encode("utf-8", "replace"))},
                        "region": {
                            "startLine": each.span.line,
                            "startColumn": each.span.column,
                            "endLine": each.span.end_line,
                            "endColumn": each.span.end_column,
                        },
                    },
                    **({"logicalLocations": [{"name": _text(each.rule), "kind": "member"}]} if each.rule else {}),
                }
            ],
        }
        for each in diagnostics
    ]
    rules = [
        {
            "id": code,
            "shortDescription": {"text": kind.meaning},
            "defaultConfiguration": {"level": _LEVELS[kind.severity]},
        }
        for code, kind in CODES.items()
    ]
    run = {
        "tool": {"driver": {"name": "tidemark rules check", "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return orjson.dumps({"version": "2.1.0", "runs": [run]}, option=orjson.OPT_INDENT_2)


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
