"""Stable codes of diagnostics, with severity and meaning; docs/rules-check.md has them as a table."""

from __future__ import annotations

from typing import NamedTuple

from rules.diagnostics.model import Severity

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


class Kind(NamedTuple):
    """What a code stands for."""

    severity: Severity
    meaning: str


# Prometheus rejects these too.
ERRORS = {
    "yaml-syntax": "The text is not YAML.",
    "not-utf8": "The file is not text in UTF-8 (or in UTF-16 with a byte order mark).",
    "file-too-large": "More characters or more YAML nodes than a rule file may have.",
    "too-deep": "Nested deeper than a rule file may be.",
    "too-many-faults": "The file has so many errors that the rest is not read.",
    "too-many-aliases": "YAML aliases stand for more nodes than they may.",
    "alias-cycle": "A YAML anchor merges itself.",
    "unknown-anchor": "A YAML alias refers to no earlier anchor.",
    "unknown-key": "A key that a rule file, a group or a rule does not have.",
    "duplicate-key": "A key that appears twice in one mapping.",
    "wrong-type": "A value of the wrong type for its key.",
    "bad-duration": "A duration that is not written like `30s`, `5m` or `1h30m`.",
    "empty-group-name": "A group without a name.",
    "duplicate-group": "Two groups of one file with the same name.",
    "record-and-alert": "A rule with both `record` and `alert`.",
    "no-record-or-alert": "A rule with neither `record` nor `alert`.",
    "no-expr": "A rule without an expression.",
    "alert-only-field": "A recording rule with `for`, `keep_firing_for` or `annotations`.",
    "bad-record-name": "A `record` that is not a valid metric name.",
    "bad-label-name": "A label name that is not valid, or is `__name__`.",
    "bad-label-value": "The value of a label is not text in UTF-8.",
    "bad-annotation-name": "An annotation without a name.",
    "promql-syntax": "The expression cannot be parsed, or its types do not fit.",
    "experimental": "The expression needs a feature that Prometheus accepts only with `--enable-feature`.",
    "template-syntax": "The template of a label or an annotation cannot be parsed.",
    "not-rules": "Kubernetes objects without a `PrometheusRule`.",
    "unreadable": "The file cannot be read.",
}

# Prometheus accepts these, but the author probably did not intend them.
WARNINGS = {
    "no-groups": "The file holds no groups.",
    "second-document": "Documents after the first are not read.",
    "null-item": "An empty group or rule is ignored.",
    "null-key": "A null key is ignored, with its value.",
    "fraction": "A fraction where a whole number is expected.",
    "duplicate-rule": "Two rules of the same name and labels that can yield one series: their series or alerts cannot be told apart.",
    "unknown-metric": "A selector of a metric that is in no list given by `--metrics`, and that no rule records.",
    "for-below-interval": "`for` is shorter than the group's interval, and counts as one interval.",
    "label-lost": "A template uses a label that the expression does not keep.",
    "label-missing": "A function, a grouping or a matching needs a label that the expression has dropped.",
    "quantile-range": "A quantile that is not between 0 and 1.",
    "never-true": "A condition that cannot be true, or a selector that nothing matches, whatever the data.",
    "always-true": "An alert whose whole condition filters nothing: it fires whenever there are series.",
    "label-cardinality": "A label of the alert takes a new value with nearly every sample, so nearly every sample starts a new alert.",
    "rate-of-gauge": "A rate of a metric that does not look like a counter.",
    "sum-before-rate": "A rate of a sum: it cannot detect resets of single counters.",
    "unsupported": "Prometheus accepts the expression, and this engine cannot evaluate it.",
    "unknown-ignore": "A comment ignores a code that does not exist.",
}

# Notes of the formatter.
NOTES = {
    "not-formatted": "A file, or an expression that contains comments, is not changed.",
}

CODES = {
    **{code: Kind(_ERROR, meaning) for code, meaning in ERRORS.items()},
    **{code: Kind(_WARNING, meaning) for code, meaning in WARNINGS.items()},
    **{code: Kind(_INFO, meaning) for code, meaning in NOTES.items()},
}
LINTS = tuple(WARNINGS)
