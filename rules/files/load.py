"""Rule files: from text to the groups they mean, or to all that is wrong with them.

Semantics: the loader of Prometheus 3 (``model/rulefmt``) with UTF-8 names, as ``promtool check rules`` runs it: what it refuses is an error
here, what it accepts is none. docs/rules-check.md lists the kinds of faults. Besides rule files, ``PrometheusRule`` objects are read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rules.diagnostics.model import FILE_START, Diagnostic, Severity, in_order
from rules.files.kubernetes import (
    OBJECT_GROUP_KEYS,
    RULE_KIND,
    RuleObject,
    documents,
    is_misspelt,
    is_object,
    kinds,
    rule_objects,
)
from rules.files.load_groups import GROUP_KEYS, GroupLoader
from rules.files.yaml.decode import Decoder, Field
from rules.files.yaml.tree import Kind, Node, Tree, YamlFault
from rules.model import RuleFile, RuleGroup

FILE_KEYS = ("groups",)

# For the count of rules of a text that is not YAML.
_RULE = re.compile(r"^[ \t]*(?:-[ \t]+)?(?:alert|record)[ \t]*:", re.MULTILINE)
_CONFIGURATION = "this is a configuration of Prometheus; the rule files are what its `rule_files` names"
_NO_LIST = "the list `groups:` around it is missing: `groups:` on a line above, `- name: ...` and `rules:` below it"
_FILE_HINTS = {
    **dict.fromkeys(("name", "interval", "rules", "alert", "record", "expr"), _NO_LIST),
    **dict.fromkeys(
        ("tests", "evaluation_interval", "rule_files", "group_eval_order", "fuzzy_compare"),
        "this is a unit-test file: run it with `tidemark rules test`",
    ),
    **dict.fromkeys(("scrape_configs", "global", "alerting", "remote_write", "remote_read"), _CONFIGURATION),
    **dict.fromkeys(
        ("apiVersion", "kind", "spec", "metadata"),
        "a Kubernetes object has both `apiVersion` and `kind`; one of rules is of `kind: PrometheusRule`",
    ),
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of a text.

    Attributes:
        file: the rules; None if there was an error, or an expression that Prometheus may accept and nothing here can evaluate (a warning
            of the code ``unsupported``): a file is meant whole or not at all.
        diagnostics: errors and warnings in the order of their places.
        rules: how many rules were met, those with errors among them.
    """

    file: RuleFile | None
    diagnostics: list[Diagnostic] = field(default_factory=list)
    rules: int = 0

    @property
    def refusals(self) -> list[Diagnostic]:
        """The diagnostics because of which there are no rules."""
        return [each for each in self.diagnostics if _refuses(each)]


def load_rules(text: str, name: str, *, ignore_unknown: bool = False) -> Loaded:
    """Read a rule file; ``name`` is what diagnostics and groups call it. Raises nothing: whatever is wrong is a diagnostic.

    ``ignore_unknown`` leaves keys that rule files do not have out, as ``--ignore-unknown-fields`` does.
    """
    try:
        trees = documents(text)
    except YamlFault as fault:
        return Loaded(None, [_fault(fault, name)], len(_RULE.findall(text)))
    reading = _Reading(name, ignore_unknown)
    if is_object(trees[0].root):
        reading.objects(trees)
    else:
        reading.file(trees[0])
    found = in_order(reading.diagnostics)
    refused = any(map(_refuses, found))
    return Loaded(None if refused else RuleFile(tuple(reading.groups), name, text), found, reading.rules)


def _refuses(diagnostic: Diagnostic) -> bool:
    # What is merely not supported here refuses the file too: rules must not be left out in silence.
    return diagnostic.severity is Severity.ERROR or diagnostic.code == "unsupported"


def _fault(fault: YamlFault, name: str) -> Diagnostic:
    return Diagnostic(fault.code, Severity.ERROR, fault.message, name, fault.span, fault.hint)


class _Reading:
    """Reads the documents of a file.

    Attributes:
        groups: that were read.
        diagnostics: what is wrong.
        rules: how many rules were met.
    """

    def __init__(self, name: str, ignore_unknown: bool) -> None:
        self._name = name
        self._ignore_unknown = ignore_unknown
        self.groups: list[RuleGroup] = []
        self.diagnostics: list[Diagnostic] = []
        self.rules = 0

    def file(self, tree: Tree) -> None:
        """Read a rule file."""
        decoder = self._decoder(tree)
        if tree.more:
            decoder.warn(
                "second-document",
                "only the first document of the file is read, as Prometheus does",
                tree.more,
                "put the groups into one document",
            )
        if tree.root is None:
            decoder.warn("no-groups", "the file is empty", FILE_START, "begin it with `groups:`")
        elif not self._groups(decoder, tree.root, self._name, {}):
            decoder.warn("no-groups", "the file has no groups", FILE_START)
        self.diagnostics += decoder.diagnostics

    def objects(self, trees: Sequence[Tree]) -> None:
        """Read the ``PrometheusRule`` objects of documents, each of which is a rule file of its own."""
        names: dict[str, dict[str, int]] = {}
        for tree in trees:
            objects = rule_objects(tree)
            decoder = self._decoder(tree)
            for each in objects:
                file = f"{self._name}#{each.name}"
                self._spec(decoder, each, file, names.setdefault(file, {}))
            self.diagnostics += decoder.diagnostics
        if not names:
            self._no_rules(trees)

    def _spec(self, decoder: Decoder, found: RuleObject, file: str, names: dict[str, int]) -> None:
        if found.spec is None or not self._groups(decoder, found.spec, file, names, OBJECT_GROUP_KEYS):
            decoder.warn("no-groups", "the object has no groups", found.node, "they stand in a list `spec.groups`")

    def _groups(
        self, decoder: Decoder, node: Node, file: str, names: dict[str, int], more_keys: Sequence[str] = ()
    ) -> bool:
        """Read the groups of a rule file, or of what stands in place of one; whether there is a list of them, or at least a fault."""
        loader = GroupLoader(decoder, file)
        before = len(decoder.diagnostics)
        what = f"the `spec` of a {RULE_KIND}" if more_keys else "a rule file"
        fields: dict[str, Field] = {}
        try:
            if node.kind is Kind.SEQUENCE and node.items and not more_keys:
                decoder.error("wrong-type", f"{what} is a mapping, not a list", node, _NO_LIST)
                return True
            fields = decoder.struct(node, FILE_KEYS, what, {} if more_keys else _FILE_HINTS) or {}
            if "groups" in fields:
                self.groups.extend(loader.groups(fields["groups"].via, names, (*GROUP_KEYS, *more_keys)))
        except YamlFault as fault:
            decoder.diagnostics.append(_fault(fault, self._name))
        self.rules += loader.rules
        return "groups" in fields or len(decoder.diagnostics) > before

    def _no_rules(self, trees: Sequence[Tree]) -> None:
        """Say so of objects among which there are none of rules."""
        found = [(tree, node) for tree in trees for node in kinds(tree)]
        if not found:
            self.diagnostics.append(Diagnostic("no-groups", Severity.WARNING, "the list holds no objects", self._name))
            return
        tree, node = next((each for each in found if is_misspelt(each[1].value)), found[0])
        hint = f"did you mean {RULE_KIND!r}?" if is_misspelt(node.value) else "rules stand in others, or in rule files"
        message = f"a Kubernetes object of kind {node.value!r} holds no rules: only {RULE_KIND} does"
        span = tree.span(node)
        self.diagnostics.append(Diagnostic("not-rules", Severity.ERROR, message, self._name, span, hint))

    def _decoder(self, tree: Tree) -> Decoder:
        return Decoder(tree, self._name, ignore_unknown=self._ignore_unknown)
