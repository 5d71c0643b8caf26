"""Coverage of rules by tests, as a table for people."""

from __future__ import annotations

from rules.unit_tests.coverage import Coverage, RuleCoverage


def table(coverage: Coverage) -> str:
    """A line a rule file and a line a rule that is not wholly covered, with what no test has shown."""
    files: dict[str, list[RuleCoverage]] = {}
    for rule in coverage.rules.values():
        files.setdefault(rule.file, []).append(rule)
    width = max([len(name) for name in files] + [len("rule file")])
    lines = [f"{'rule file':<{width}}  rules  points  covered"]
    for name, rules in sorted(files.items()):
        lines.append(_line(name, rules, coverage.percent(name), width))
        for rule in rules:
            if rule.missing:
                lines.append(f"  {rule.file}:{rule.line}: {rule.name}: {_ratio(rule)}; not seen:")
                lines.extend(f"      {point}" for point in rule.missing)
    lines.append(_line("total", list(coverage.rules.values()), coverage.percent(), width))
    return "\n".join(lines)


def _line(name: str, rules: list[RuleCoverage], percent: float, width: int) -> str:
    points = sum(len(rule.points) for rule in rules)
    covered = f"{percent:>5.1f} %" if points else "   none"
    return f"{name:<{width}}  {len(rules):>5}  {points:>6}  {covered}"


def _ratio(rule: RuleCoverage) -> str:
    return f"{sum(rule.points.values())} of {len(rule.points)} points"
