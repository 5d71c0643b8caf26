"""Groups and their rules, from the nodes of a document to what they mean, or to all that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rules.diagnostics.model import TextSpan
from rules.files import embedded
from rules.files.yaml.decode import Decoder, Field
from rules.files.yaml.tree import Kind, Node
from rules.golang.quoting import is_text
from rules.model import AlertingRule, FieldPlace, Place, RecordingRule, Rule, RuleGroup
from rules.promql.syntax.ast import Expr

GROUP_KEYS = ("name", "interval", "query_offset", "limit", "labels", "rules")
RULE_KEYS = ("alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations")

_GROUP_HINTS = dict.fromkeys(("alert", "record", "expr"), "rules stand in the list `rules:` of their group")
_RULE_HINTS = {
    **dict.fromkeys(("summary", "description", "runbook_url", "dashboard"), "it belongs under `annotations:`"),
    **dict.fromkeys(("severity", "team"), "it belongs under `labels:`"),
    **dict.fromkeys(("interval", "limit", "query_offset"), "it is set for the whole group, not for one rule"),
}


class GroupLoader:
    """Reads groups of one document.

    Attributes:
        rules: how many rules were met, those with errors among them.
    """

    def __init__(self, decoder: Decoder, file: str) -> None:
        """``file`` is what the groups call theirs; diagnostics have the decoder's name."""
        self._decoder = decoder
        self._tree = decoder.tree
        self._file = file
        self.rules = 0

    def groups(self, node: Node, names: dict[str, int], keys: Sequence[str] = GROUP_KEYS) -> Iterator[RuleGroup]:
        """The groups of a list.

        Args:
            node: the list.
            names: the lines of the groups that were read, by name; those of the list are added.
            keys: that a group may have.
        """
        for item, _ in self._decoder.sequence(node, "groups"):
            group = self._group(item, keys)
            if group is None:
                continue
            if group.name in names:
                self._decoder.error(
                    "duplicate-group",
                    f"group {group.name!r} is already on line {names[group.name]}",
                    group.place.of("name"),
                    "a name may stand once in a file: rename one, or join the two",
                )
            names.setdefault(group.name, group.place.line)
            yield group

    def _group(self, node: Node, keys: Sequence[str]) -> RuleGroup | None:
        decoder = self._decoder
        fields = decoder.struct(node, keys, "a group", _GROUP_HINTS)
        if fields is None:
            return None
        name = self._text(fields, "name", "the group's name")
        if not name:
            where = fields["name"].via if "name" in fields else self._head(node)
            decoder.error("empty-group-name", "a group needs a name", where, "give it one: `- name: ...`")
        interval = self._duration(fields, "interval", "interval")
        labels, label_places = self._strings(fields, "labels", "labels", name)
        self._check_labels(labels, label_places, name)
        rules = []
        if "rules" in fields:
            for item, _ in decoder.sequence(fields["rules"].via, "rules"):
                self.rules += 1
                rule = self._rule(item)
                if rule is not None:
                    rules.append(rule)
        return RuleGroup(
            name=name,
            interval_ms=interval or None,
            query_offset_ms=self._duration(fields, "query_offset", "query_offset"),
            limit=decoder.integer(fields["limit"].via, "limit") if "limit" in fields else 0,
            labels=labels,
            rules=tuple(rules),
            file=self._file,
            place=self._place(node, fields, label_places),
        )

    def _rule(self, node: Node) -> Rule | None:
        decoder = self._decoder
        fields = decoder.struct(node, RULE_KEYS, "a rule", _RULE_HINTS)
        if fields is None:
            return None
        alert = self._text(fields, "alert", "alert")
        record = self._text(fields, "record", "record")
        name = alert or record
        expr = self._text(fields, "expr", "expr")
        for_ms = self._duration(fields, "for", "for") or 0
        keep_ms = self._duration(fields, "keep_firing_for", "keep_firing_for") or 0
        labels, places = self._strings(fields, "labels", "labels", name)
        annotations, annotation_places = self._strings(fields, "annotations", "annotations", name)
        places.update(annotation_places)
        place = self._place(node, fields, places)
        if alert and record:
            decoder.error(
                "record-and-alert",
                "a rule is either `alert` or `record`, not both",
                place.fields["record"].key,
                "make two rules of it",
                name,
            )
        if not alert and not record:
            where = next((fields[key].key for key in ("alert", "record") if key in fields), None) or self._head(node)
            decoder.error("no-record-or-alert", "a rule needs a name: `alert: ...` or `record: ...`", where)
        if record:
            self._check_recording(record, for_ms, keep_ms, annotations, place)
        self._check_labels(labels, places, name)
        for key in annotations:
            if not _is_name(key):
                where = places[f"annotations.{key}"].key
                decoder.error("bad-annotation-name", f"{key!r} cannot name an annotation", where, rule=name)
        if alert:
            decoder.add(embedded.template_faults(alert, labels, annotations, place, decoder.file))
        ast = self._expression(expr, fields, node, place, name)
        if ast is None or not name:
            return None
        if alert:
            return AlertingRule(alert, expr, ast, for_ms, keep_ms, labels, annotations, place)
        return RecordingRule(record, expr, ast, labels, place)

    def _expression(self, expr: str, fields: dict[str, Field], node: Node, place: Place, name: str) -> Expr | None:
        if not expr:
            if "expr" in fields and self._decoder.follow(fields["expr"].via).kind is not Kind.SCALAR:
                return None
            where = fields["expr"].key if "expr" in fields else self._head(node)
            self._decoder.error("no-expr", "a rule needs an expression", where, "add `expr: ...`", name)
            return None
        ast, faults = embedded.expression(expr, place, self._decoder.file, name)
        self._decoder.add(faults)
        return ast

    def _check_recording(
        self, record: str, for_ms: int, keep_ms: int, annotations: dict[str, str], place: Place
    ) -> None:
        error = self._decoder.error
        for key, value in (("for", for_ms), ("keep_firing_for", keep_ms), ("annotations", annotations)):
            if value:
                where = place.fields[key].key
                error(
                    "alert-only-field", f"`{key}` belongs to alerts, and this rule records", where, "delete it", record
                )
        if not _is_name(record):
            error("bad-record-name", f"{record!r} cannot name a metric", place.of("record"), rule=record)
        if "{" in record or "}" in record:
            error(
                "bad-record-name",
                f"braces in the recorded name {record!r}",
                place.of("record"),
                "labels of the recorded series go under `labels:`, a selector into `expr:`",
                record,
            )

    def _check_labels(self, labels: dict[str, str], places: dict[str, FieldPlace], rule: str) -> None:
        for key, value in labels.items():
            where = places[f"labels.{key}"]
            if key == "__name__":
                hint = "a recorded metric is named by `record:`"
                self._decoder.error("bad-label-name", "`__name__` is set by the rule itself", where.key, hint, rule)
            elif not _is_name(key):
                self._decoder.error("bad-label-name", f"{key!r} cannot name a label", where.key, rule=rule)
            if not is_text(value):
                self._decoder.error(
                    "bad-label-value", f"the value of {key!r} is no text in UTF-8", where.value, rule=rule
                )

    def _text(self, fields: dict[str, Field], key: str, what: str) -> str:
        return (self._decoder.string(fields[key].via, what) or "") if key in fields else ""

    def _duration(self, fields: dict[str, Field], key: str, what: str) -> int | None:
        return self._decoder.duration(fields[key].via, what) if key in fields else None

    def _strings(
        self, fields: dict[str, Field], key: str, what: str, rule: str
    ) -> tuple[dict[str, str], dict[str, FieldPlace]]:
        found: dict[str, str] = {}
        places: dict[str, FieldPlace] = {}
        if key not in fields:
            return found, places
        for name, each in (self._decoder.strings(fields[key].via, what) or {}).items():
            found[name] = self._decoder.string(each.via, f"{what[:-1]} {name!r}") or ""
            places[f"{key}.{name}"] = self._field_place(each)
        return found, places

    def _field_place(self, each: Field) -> FieldPlace:
        scalar = self._tree.scalar(each.value) if each.value.kind is Kind.SCALAR else None
        return FieldPlace(self._tree.span(each.key), self._tree.span(each.via), scalar)

    def _place(self, node: Node, fields: dict[str, Field], more: dict[str, FieldPlace]) -> Place:
        own = {name: self._field_place(each) for name, each in fields.items()}
        return Place(self._tree.span(node), {**own, **more})

    def _head(self, node: Node) -> TextSpan:
        """What to underline of a whole mapping: its first key."""
        return self._tree.span(node.items[0] if node.kind is Kind.MAPPING and node.items else node)


def _is_name(text: str) -> bool:
    return bool(text) and is_text(text)
