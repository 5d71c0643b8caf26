"""``tidemark rules backtest``: when the alerts of rule files would have been pending, firing and resolved over archived data."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rules.backtest.run import Backtest, backtest
from rules.backtest.scoring import LabelledSeries, Score, score
from rules.backtest.summary import RuleSummary, summarize
from rules.diagnostics.text import text_of
from rules.evaluation.program import Program, Settings
from rules.files.load import load_rules
from rules.model import AlertingRule, RuleGroup
from rules.planning.no_data import Unfed, unfed, unfed_lines
from rules.planning.reach import reaches, together, written_names
from rules.promql.context import Options
from schemas.errors import FAILURE
from services.kit import interrupts
from services.kit.commands import refusing
from services.kit.outputs import check_files
from tidemark.rules.arguments.backtest import parser
from tidemark.rules.backtest_text import episode_lines, instant, json_lines, score_lines, summary_lines
from tidemark.rules.files import rule_sources
from tidemark.rules.labelled import LabelsError, read_labelled
from tidemark.rules.progress import Progress
from transforms.io.history.read import History, read_reach


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status that ``--help`` documents.

    Raises:
        UserError: rules, data or labels cannot be read or run.
    """
    words = parser()
    args = words.parse_args(argv)
    if not args.data:
        words.error("name the data: --data=SOURCE (--help lists the sources)")
    with refusing(OSError, ValueError, status=FAILURE):
        check_files({"--html": args.html}, [*args.files, *args.data, *([args.labels] if args.labels else [])])
        program = _program(args)
        with interrupts.explained("nothing was written"), Progress("reading") as progress:
            history = read_reach(args, together(reaches(program)), written_names(program), progress)
        if history.start_ms <= history.end_ms and not program.times.count(history.start_ms - 1, history.end_ms):
            raise ValueError(
                f"nothing was evaluated: no multiple of a group's interval lies between {instant(history.start_ms)} and "
                f"{instant(history.end_ms)} UTC; say --start and --end, or a shorter --interval"
            )
        labelled = _labelled(args, history)
        with interrupts.explained("nothing was written"), Progress("evaluating") as progress:
            found = backtest(program, history.storage, history.start_ms, history.end_ms, progress)
        summaries = summarize(found, args.flap)
        lacking = unfed(program, history.finds, history.catalogue)
        scores = None if labelled is None else score(found, labelled)
        if args.html is not None:
            from tidemark.rules.backtest_page import render

            page = render(found, summaries, args.flap, labelled or (), scores, lacking)
            args.html.write_text(page, encoding="utf-8")
    _print(args, found, summaries, scores, lacking)
    if args.html is not None:
        print(f"wrote {args.html}", file=sys.stderr)
    for position, failed in found.failures.items():
        rule = found.program.rules[position]
        what = f"{failed.count:,} evaluations failed, first at {instant(failed.first_ms)}: {failed.message}"
        print(f"{rule.group.file}: {rule.rule.name}: {what}", file=sys.stderr)
    for line in unfed_lines(program, lacking):
        print(line, file=sys.stderr)
    silent = any(rule.position in lacking and lacking[rule.position].silent for rule in found.alerts)
    return 3 if found.failures or silent or history.damaged else 0


def _program(args: argparse.Namespace) -> Program:
    groups: list[RuleGroup] = []
    faults = []
    for source in rule_sources(args.files):
        if source.text is None:
            raise ValueError(f"{source.name}: {source.fault}")
        loaded = load_rules(source.text, source.name)
        if loaded.file is None:
            faults += [text_of(each, source.text) for each in loaded.refusals]
        else:
            groups += loaded.file.groups
    if faults:
        raise ValueError("\n" + "\n".join(faults))
    if not any(isinstance(rule, AlertingRule) for group in groups for rule in group.rules):
        raise ValueError(f"no alerting rule in {', '.join(args.files)}")
    if args.interval is not None:
        groups = [replace(group, interval_ms=args.interval) for group in groups]
    return Program(groups, Settings(options=Options(lookback_ms=args.lookback)))


def _labelled(args: argparse.Namespace, history: History) -> list[LabelledSeries] | None:
    if args.labels is None:
        return None
    there, absent = read_labelled(args.labels, history, args.csv_name)
    if not there:
        raise LabelsError(f"{args.labels}: none of its {len(absent)} series is in the data, such as {absent[:1]}")
    if absent:
        print(f"{args.labels}: {len(absent)} of {len(there) + len(absent)} series are not in the data", file=sys.stderr)
    return there


def _print(
    args: argparse.Namespace,
    found: Backtest,
    summaries: Sequence[RuleSummary],
    scores: tuple[Score, Mapping[int, Score]] | None,
    lacking: Mapping[int, Unfed],
) -> None:
    if args.format == "json":
        for line in json_lines(found, summaries, scores, lacking):
            print(line)
        return
    print(f"{instant(found.start_ms)} to {instant(found.end_ms)} UTC, {found.evaluations:,} evaluations")
    print()
    if not args.summary:
        for line in episode_lines(found, pending=args.pending):
            print(line)
        print()
    for line in summary_lines(summaries, None if scores is None else scores[1], lacking):
        print(line)
    if scores is not None:
        print()
        for line in score_lines(scores[0]):
            print(line)
