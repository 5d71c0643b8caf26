"""``tidemark rules explain``: what a rule's expression does, part by part, where it runs, what it keeps, and its values at a time."""

from __future__ import annotations

import argparse
import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rules.evaluation.groups import Evaluator
from rules.evaluation.program import Program
from rules.files.load import load_rules
from rules.model import AlertingRule, Rule, RuleFile
from rules.planning.explain import document, explain, render, retention
from rules.planning.no_data import Looked, NoData, unfed, unfed_of
from rules.planning.plan import plan
from rules.planning.reach import reaches, together, written_names
from rules.promql.storage import Storage
from rules.promql.syntax import ast
from rules.promql.syntax.errors import PromQLError
from rules.promql.syntax.parser import parse
from schemas.errors import FAILURE, UserError
from schemas.times import format_duration, parse_time
from tidemark.rules.arguments.explain import parser
from tidemark.rules.files import read_text
from tidemark.rules.placed import placed
from transforms.io.history.read import History, read_history, read_reach


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status that ``--help`` documents.

    Raises:
        UserError: the rule or the data cannot be read.
    """
    words = parser()
    args = words.parse_args(argv)
    if (args.file is None) == (args.expr is None):
        words.error("name a rule file, or give an expression with --expr")
    if args.time is not None and not args.data:
        words.error("--time needs data to evaluate on: --data=SOURCE")
    try:
        file = None if args.file is None else _load(args.file)
        rules = [(None, parse(args.expr))] if file is None else _named(file, args.rule)
        data = _data(args, file, rules)
        labels = frozenset(filter(None, args.target_labels.split(",")))
        explained = [(rule, expr, explain(expr, labels, data.storage, data.time_ms)) for rule, expr in rules]
    except PromQLError as error:
        raise UserError(placed(error, args.expr) if args.expr else str(error), FAILURE) from None
    except (OSError, ValueError) as error:
        raise UserError(str(error), FAILURE) from None
    if args.format == "json":
        documents = [
            {
                "rule": rule.name if rule else None,
                "tree": document(node),
                **({} if data.storage is None else {"no_data": [asdict(each) for each in data.lacking(rule)]}),
            }
            for rule, _, node in explained
        ]
        print(json.dumps(documents, indent=2))
        return 0
    for number, (rule, expr, node) in enumerate(explained):
        if number:
            print()
        for line in _heading(rule):
            print(line)
        print(render(node))
        for line in [*_state(expr, labels), *map(str, data.lacking(rule))]:
            print(line)
    return 0


@dataclass(frozen=True, slots=True)
class _Data:
    """What to evaluate on, and when; ``unfed`` are the selectors that find nothing, by rule, of a lone expression under None."""

    storage: Storage | None = None
    time_ms: int = 0
    unfed: Mapping[int | None, tuple[NoData, ...]] = field(default_factory=dict)

    def lacking(self, rule: Rule | None) -> tuple[NoData, ...]:
        """The selectors of a rule that find nothing in the data."""
        return self.unfed.get(None if rule is None else id(rule), ())


def _load(path: Path) -> RuleFile:
    loaded = load_rules(read_text(path), str(path))
    if loaded.file is None:
        fault = loaded.refusals[0]
        raise ValueError(
            f"{fault.file}:{fault.span.line}:{fault.span.column}: {fault.message}; `tidemark rules check {path}` shows all faults"
        )
    return loaded.file


def _named(file: RuleFile, name: str | None) -> list[tuple[Rule | None, ast.Expr]]:
    rules = [rule for group in file.groups for rule in group.rules]
    found: list[tuple[Rule | None, ast.Expr]] = [(rule, rule.ast) for rule in rules if name in (None, rule.name)]
    if not found:
        known = [rule.name for rule in rules]
        if not known:
            raise ValueError(f"{file.name} has no rules")
        near = difflib.get_close_matches(name or "", known, 1)
        raise ValueError(
            f"{file.name} has no rule {name!r}; "
            + (f"did you mean {near[0]}?" if near else f"it has {', '.join(known) or 'none'}")
        )
    return found


def _data(args: argparse.Namespace, file: RuleFile | None, rules: Sequence[tuple[Rule | None, ast.Expr]]) -> _Data:
    """The archived data, and what the file's recording rules make of them."""
    if not args.data:
        return _Data()
    if file is None:
        history = read_history(args, [expr for _, expr in rules])
        lone = unfed_of(rules[0][1], Looked(Program(()), history.finds), history.catalogue)
        return _Data(history.storage, _instant(args, history), {None: lone})
    program = Program(file.groups)
    explained = {id(rule) for rule, _ in rules}
    found = zip(program.rules, reaches(program), strict=True)
    reach = together(needs for each, needs in found if id(each.rule) in explained)
    history = read_reach(args, reach, written_names(program))
    time_ms = _instant(args, history)
    # What is recorded earlier than this no longer counts.
    first_ms = max(time_ms - reach.back_ms, history.start_ms) if reach.bounded else history.start_ms
    evaluator = Evaluator(program, history.storage)
    evaluator.evaluate_schedule(program.due(first_ms - 1, time_ms))
    found_nothing = unfed(program, history.finds, history.catalogue)
    by_rule: dict[int | None, tuple[NoData, ...]] = {
        id(program.rules[position].rule): each.selectors for position, each in found_nothing.items()
    }
    return _Data(evaluator.storage, time_ms, by_rule)


def _instant(args: argparse.Namespace, history: History) -> int:
    return history.end_ms if args.time is None else parse_time(args.time)


def _heading(rule: Rule | None) -> Iterator[str]:
    if rule is None:
        return
    yield rule.name
    if isinstance(rule, AlertingRule):
        held = f"once it has been there for {format_duration(rule.for_ms)}" if rule.for_ms else "at once"
        kept = (
            f", and for {format_duration(rule.keep_firing_for_ms)} after it has gone" if rule.keep_firing_for_ms else ""
        )
        yield f"an alert for each series of the expression, firing {held}{kept}"
    else:
        yield "the expression's series, recorded under this name"
    yield ""


def _state(expr: ast.Expr, labels: frozenset[str]) -> Iterator[str]:
    states = plan(expr, labels).states
    if states:
        longest = max(states, key=lambda state: state.retention_ms)
        yield ""
        yield f"state: {len(states)} selector{'s' if len(states) > 1 else ''}; keeps {retention(longest)} at most"
