"""Any text is a template or a ``TemplateError``, and any template expands or is one; and the templates that people publish parse."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.templates import (
    TemplateContext,
    TemplateError,
    expand,
    expand_or_error,
    labels_used,
    parse_template,
    queries,
)

CORPORA = Path(__file__).parents[3].parent / "shared" / "corpora"
PIECES = """{{ }} {{- -}} if else end range with define template block break continue nil true . .Labels .Value $labels $value $x := = | ( ) ,
    "a" `b` 'c' 1 2.5 -3 0x1 print printf len index slice and or not eq lt "%d" foo /* */ {{end}} {{else}} .x.y $labels.job \\ é
    humanize humanizeDuration title query toTime toDuration .Format html js args first label reReplaceAll""".split()  # noqa: SIM905
pieces = st.lists(st.sampled_from([*PIECES, " ", " ", "\n"]), max_size=25).map(" ".join)
actions = st.lists(pieces.map("{{{{ {} }}}}".format), max_size=4).map("".join)
contexts = st.builds(
    TemplateContext,
    labels=st.dictionaries(st.sampled_from(["job", "instance", "x"]), st.text(max_size=5)),
    value=st.floats(),
    time_ms=st.integers(-(1 << 53), 1 << 53),
)


@given(st.text() | pieces | actions | st.lists(st.sampled_from(PIECES)).map("".join))
@settings(max_examples=500)
def test_parses_or_says_where_it_does_not(text: str) -> None:
    place = (1, 1)
    try:
        template = parse_template(text)
        labels_used(template)
        queries(template)
    except TemplateError as error:
        place = error.line, error.column
    assert place >= (1, 1)
    assert place[0] <= text.count("\n") + 1


@given(pieces | actions, contexts)
@settings(max_examples=500)
def test_expands_or_says_why_not(text: str, context: TemplateContext) -> None:
    assert isinstance(expand_or_error(text, context), str)


ARGUMENT = st.sampled_from(
    [
        "$value",
        "$labels",
        ".",
        "$labels.job",
        "1",
        "-2.5",
        '"a:9"',
        "`1.5`",
        "nil",
        "true",
        "(now | toTime)",
        "(toDuration 2)",
        "(args 1)",
    ]
)
FUNCTION = st.sampled_from(
    """humanize humanize1024 humanizeDuration humanizePercentage humanizeTimestamp toTime toDuration parseDuration title toUpper stripPort
    stripDomain len index slice print println html js urlquery eq ne lt le gt ge and or not args first value label match reReplaceAll
    printf call safeHtml graphLink "x" (now|toTime).Format (now|toTime).Add (toDuration).Round""".split()  # noqa: SIM905
)
calls = st.lists(
    st.tuples(FUNCTION, st.lists(ARGUMENT, max_size=3)).map(lambda call: " ".join((call[0], *call[1]))),
    min_size=1,
    max_size=3,
)


@given(calls.map(" | ".join), contexts)
@settings(max_examples=500)
def test_every_function_takes_anything_or_says_why_not(pipeline: str, context: TemplateContext) -> None:
    for text in (f"{{{{ {pipeline} }}}}", f"{{{{ range {pipeline} }}}}{{{{ . }}}}{{{{ end }}}}"):
        assert isinstance(expand_or_error(text, context), str)


@given(st.text(), contexts)
def test_text_without_actions_stays_as_it_is(text: str, context: TemplateContext) -> None:
    if "{{" not in text:
        assert expand(text, context) == text


@given(st.text(), st.text())
def test_labels_show_as_they_are(before: str, value: str) -> None:
    before = before.replace("{", "")
    assert expand(before + "{{ $labels.x }}", TemplateContext({"x": value}, 0.0)) == before + value


@cache
def published() -> tuple[str, ...]:
    """Labels and annotations of the collected alert rules and of Prometheus' own test files that are meant to be valid."""
    if not CORPORA.exists():
        pytest.skip(f"{CORPORA} is absent")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    texts: dict[str, None] = {}
    folders = ("awesome-prometheus-alerts/dist/rules", "prometheus/promtool/testdata", "prometheus/rules/fixtures")
    for path in sorted(path for folder in folders for path in (CORPORA / folder).rglob("*.y*ml")):
        try:
            groups = (yaml.load(path.read_text(), loader) or {}).get("groups") or ()
        except (yaml.YAMLError, AttributeError):
            continue
        for rule in (rule for group in groups for rule in group.get("rules") or () if "alert" in rule):
            for field in ("labels", "annotations"):
                texts.update(dict.fromkeys(map(str, (rule.get(field) or {}).values())))
    return tuple(texts)


def test_published_templates_parse_and_expand() -> None:
    texts = published()
    assert sum("{{" in text for text in texts) > 500
    context = TemplateContext({"instance": "a:1", "job": "b"}, 1.5, query=lambda _, __: [])
    failed = [text for text in texts if "<error" in expand_or_error(text, context)]
    assert failed == []
