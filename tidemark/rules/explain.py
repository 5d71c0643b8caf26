"""``tidemark rules explain``: what a rule's expression does, part by part, where it runs, what it keeps, and its values at a time."""

from __future__ import annotations

import argparse
import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rules.evaluation.groups import Evaluator, aligned
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
from schemas.series import DEFAULT_TARGET_LABELS
from schemas.times import format_duration, parse_time
from tidemark.rules.arguments import command_parser
from tidemark.rules.files import read_text
from tidemark.rules.placed import placed
from transforms.io.history.read import History, add_history_options, read_history, read_reach

EPILOG = """
exit status:
  0  done
  1  the rule or the data cannot be read
  2  wrong usage

examples:
  tidemark rules explain hosts.yml HostCpuSaturated
  tidemark rules explain hosts.yml                                   # every rule of the file
  tidemark rules explain --expr 'sum by (pool) (rate(errors_total[5m])) > 1'
  tidemark rules explain hosts.yml HostCpuSaturated --data=./store --time=2026-01-12T08:30:00Z

Each part is shown with what it does; where a job that spreads its targets over shards evaluates it: in the shard, partly there and
merged, or globally; and how much history it keeps. With data, its value at that time is shown too (by default the newest in the data).
"""


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("explain", "What a rule's expression does, part by part.", EPILOG)
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a rule file")
    parser.add_argument("rule", nargs="?", metavar="RULE", help="the alert or record to explain (all of the file)")
    parser.add_argument("--expr", metavar="EXPR", help="explain an expression instead of a rule")
    parser.add_argument(
        "--target-labels",
        metavar="A,B",
        default=",".join(sorted(DEFAULT_TARGET_LABELS)),
        help="labels that make up a target, as in the job's configuration (%(default)s)",
    )
    add_history_options(parser)
    parser.add_argument(
        "--time", metavar="TIME", help="when to evaluate: ISO 8601, or ms since 1970 (the newest in the data)"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="(%(default)s)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status that ``--help`` documents.

    Raises:
        UserError: the rule or the data cannot be read.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    if (args.file is None) == (args.expr is None):
        parser.error("name a rule file, or give an expression with --expr")
    if args.time is not None and not args.data:
        parser.error("--time needs data to evaluate on: --data=SOURCE")
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
    evaluator.evaluate_schedule(
        [aligned(program.interval_ms(number), first_ms - 1, time_ms) for number in range(len(file.groups))]
    )
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
