"""Templates expand as a real Prometheus expands them: its promtool checks them, and tests them with our texts as the expected annotations."""

from __future__ import annotations

import json
import random
import re
import subprocess
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

from deploy.install.recipes import prometheus3_binary
from rules.templates import TemplateContext, TemplateError, expand_or_error, parse_template

pytestmark = pytest.mark.e2e

LABELS = {"instance": "db-1.example.com:9090", "job": "db", "path": "/a b&c?d=é", "words": "don't foo-bar baz_qux a.b"}
VALUES = ("1234567.5", "0", "-0.00012", "61", "1e+21", "NaN", "+Inf")
EXTERNAL_URL = "http://prom:9090/p"
OPERANDS = (
    "$value 0 -1 1.5 0.0001 1e9 1023 1048576 90061 0x1F 017 true `12.5` `abc` `+Inf` `a.b.c:80` `[::1]:80` `1h30m` 'a' $labels $labels.path "
    "$labels.words $labels.nope (args_1_`a`) .Nope .ExternalURL (now|toTime) (now|toTime).Month (1.5|toDuration) (query_`vector(2.5)`|first)"
)
CALLS = (
    "humanize humanize1024 humanizeDuration humanizePercentage humanizeTimestamp toTime toDuration parseDuration title toUpper toLower stripPort "
    "stripDomain urlQueryEscape graphLink tableLink safeHtml len not html js urlquery print println index slice_`abcdef` index_$labels args "
    "eq_1 ne_`abc` lt_1.5 ge_`b` and_1 or_0 reReplaceAll_`(a)(b)?`_`[$2$1$01$é.]` match_`^[a-z]+$` label_`job` value call"
)
VERBS = "v s d q x X e f g t c U o b T z 5.1f -10v| 08.2f +d 05d 10q .2f .3s #x +v #v .0f [1]d [2]d *d"
PIECES = (
    '{{ }} {{- -}} if else end range with define template block break continue nil true . .Labels .Value $labels $value $x := = | ( ) , "a" '
    "`b` 'c' 1 2.5 -3 08 1_0 0x1p-2 len humanize and eq \"%d\" foo $ .x.y /* */ {{end}} {{else}} {{if_true}} {{range_$i,_$e_:=_$labels}} @ \" ' ` é"
)


@dataclass(frozen=True)
class Element:
    """A sample that a query gives."""

    labels: dict[str, str]
    value: float


def answer(expr: str, _: int) -> list[Element]:
    """What Prometheus answers to the queries of these templates."""
    return {"vector(2.5)": [Element({}, 2.5)]}[expr]


def calls() -> list[str]:
    """Every function on every kind of argument, as argument and through a pipe; every verb of ``printf``; and what actions do with it."""
    operands = [operand.replace("_", " ") for operand in OPERANDS.split(" ")]
    texts = []
    for operand in operands:
        texts += [f"{{{{ {call.replace('_', ' ')} {operand} }}}}" for call in CALLS.split(" ")]
        texts += [f"{{{{ {operand} | {call.replace('_', ' ')} }}}}" for call in CALLS.split(" ")]
        texts += [f'{{{{ printf "%{verb}" {operand} }}}}' for verb in VERBS.split(" ")]
        texts += [
            f"{{{{ {operand} }}}}",
            f"{{{{ if {operand} }}}}y{{{{ else }}}}n{{{{ end }}}}",
            f"{{{{ with $x := {operand} }}}}{{{{ . }}}}{{{{ $x }}}}{{{{ else }}}}n{{{{ end }}}}",
            f"{{{{ ({operand}).Foo.Bar }}}}",
        ]
        # Long loops there, limits here.
        if operand not in ("1048576", "90061", "(1.5|toDuration)"):
            texts.append(f"{{{{ range {operand} }}}}<{{{{ . }}}}>{{{{ else }}}}none{{{{ end }}}}")
    return [text for text in texts if not _incomparable(text)]


def _incomparable(text: str) -> bool:
    """What prints the address or the innards of a value, ``%#x`` of a float, and characters that a rule test file cannot hold."""
    inner = re.search(r"printf \"%[^vsq\"]*[^vsq|\"]\|?\" (\(now\|toTime\)|\(1.5\|toDuration\)) ", text)
    floats = re.search(r"%#[xv]\"", text)
    beyond = re.search(r"%(c|q|10q)\" (1048576|90061) ", text)
    addresses = "args" in text and "first" in text
    return bool(inner or floats or beyond or addresses or "range (now|toTime).Month" in text)


def soups(count: int) -> list[str]:
    """Texts of template syntax in no order; fixed, so that a failure can be repeated."""
    chance = random.Random(4)
    pieces = [piece.replace("_", " ") for piece in PIECES.split(" ")]
    return [
        "".join(chance.choice(pieces) + chance.choice(["", " "]) for _ in range(chance.randint(1, 12)))
        for _ in range(count)
    ]


def times() -> list[str]:
    """Layouts, methods of times and durations."""
    layouts = (
        "2006-01-02T15:04:05Z07:00",
        "Mon Jan _2 03:04PM 06",
        "Monday, January 2",
        "002 __2",
        "15:04:05.000",
        "05,999",
        "Sept Janu Mond",
    )
    instants = ("now", "0", "1435065584.128", "-1.5", "9223372036", "951782400")
    methods = (
        "Year",
        "Month",
        "Day",
        "Hour",
        "Weekday",
        "YearDay",
        "UnixMilli",
        "AddDate 0 1 0",
        "Truncate 3600000000000",
        "Round 7",
    )
    spans = ("1.5", "-90.25", "0", "3661", "0.0005", "1e-7", "100")
    parts = ("String", "Seconds", "Minutes", "Hours", "Milliseconds", "Abs", "Round 1000000000", "Truncate 1000000000")
    return [
        *(f'{{{{ ({at} | toTime).Format "{layout}" }}}}' for at, layout in product(instants, layouts)),
        *(f"{{{{ ({at} | toTime).{method} }}}}" for at, method in product(instants, methods)),
        *(f"{{{{ ({span} | toDuration).{part} }}}}" for span, part in product(spans, parts)),
        *(f"{{{{ humanizeDuration ((now | toTime).Sub ({span} | toTime)) }}}}" for span in spans),
    ]


def write_rules(path: Path, alerts: dict[str, dict[str, str]]) -> None:
    """A rule file (JSON is YAML) of alerts with templates as their annotations."""
    rules = [{"alert": name, "expr": "m == m or m != m", "annotations": texts} for name, texts in alerts.items()]
    path.write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))


def promtool(folder: Path, *args: str) -> tuple[int, str]:
    """Exit status and output of a command of promtool."""
    command = [str(prometheus3_binary("promtool")), *args]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_same_templates_parse_with_the_same_messages(tmp_path: Path) -> None:
    templates = {f"a{number:05d}": text for number, text in enumerate(soups(6000))}
    write_rules(tmp_path / "rules.yml", {"A": templates})
    _, output = promtool(tmp_path, "check", "rules", "rules.yml")
    theirs = dict(re.findall(r'annotation "(a\d+)": (.*)', output))
    ours = {}
    for name, text in templates.items():
        try:
            parse_template(text, "A")
        except TemplateError as error:
            ours[name] = error.go_message.removeprefix("error parsing template __alert_A: ")
    assert len(theirs) > 1000
    assert {templates[name]: message for name, message in ours.items() if theirs.get(name) != message} == {}
    assert {templates[name]: message for name, message in theirs.items() if name not in ours} == {}


@pytest.mark.parametrize("value", VALUES)
def test_annotations_are_those_of_prometheus(tmp_path: Path, value: str) -> None:
    context = TemplateContext({"__name__": "m", **LABELS}, float(value), {"dc": "eu"}, EXTERNAL_URL, answer, 60_000)
    texts = calls() + times() if value == VALUES[0] else [text for text in calls() if "$value" in text]
    # Few to an alert: promtool's report of an alert that differs takes time that grows with the square of its size.
    alerts = {
        f"A{start}": {f"a{number:02d}": text for number, text in enumerate(texts[start : start + 25])}
        for start in range(0, len(texts), 25)
    }
    write_rules(tmp_path / "rules.yml", alerts)
    series = ",".join(f"{name}={json.dumps(text, ensure_ascii=False)}" for name, text in LABELS.items())
    expected = [
        {
            "eval_time": "1m",
            "alertname": alert,
            "exp_alerts": [
                {
                    "exp_labels": LABELS,
                    "exp_annotations": {
                        name: expand_or_error(text, context, alert) for name, text in templates.items()
                    },
                }
            ],
        }
        for alert, templates in alerts.items()
    ]
    suite = {
        "interval": "1m",
        "external_labels": {"dc": "eu"},
        "external_url": EXTERNAL_URL,
        "input_series": [{"series": f"m{{{series}}}", "values": f"{value} {value}".replace("+I", "I")}],
        "alert_rule_test": expected,
    }
    (tmp_path / "test.yml").write_text(
        json.dumps({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [suite]})
    )
    status, output = promtool(tmp_path, "test", "rules", "test.yml")
    assert status == 0, output
