"""Rules as installations with thousands of them have them: few shapes, each with many constants and matchers, nearly all of them inactive.

Of twenty rules one records the rates of 20 pools, one compares them, and one counts; the others are thresholds. Every rule has a constant of its
own. Of a hundred rules one has an alert. Of the mix ``idle`` none records, and none has an alert.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks import stage

VARIED = (
    "alert: Level{i}, expr: 'm{n} > {high}', for: 5m",
    """alert: LevelOf{i}, expr: 'm{n}{{instance="host-{host:05d}"}} > {edge}', for: 5m""",
    "alert: Rate{i}, expr: 'rate(m{n}[5m]) > {high}', for: 1m",
    """alert: RateOf{i}, expr: 'sum by (instance) (rate(m{n}{{pool="pool-{pool:02d}"}}[5m])) > {high}', for: 1m""",
    "alert: Share{i}, expr: 'm{n} / on (instance) m{m} > {high}', for: 5m",
)
ONE_OF_TWENTY = (
    "record: 'pool:m{n}:rate5m_{i}', expr: 'sum by (pool) (rate(m{n}[5m]))'",
    "alert: PoolRate{i}, expr: 'sum by (pool) (rate(m{n}[5m])) > {high}', for: 1m",
    "alert: Count{i}, expr: 'count(m{n} > {high}) > 5'",
)
HOSTS, POOLS = 100, 20


def idle(rules: int) -> str:
    """As :func:`varied`, but nothing comes of any rule."""
    return varied(rules, ONE_OF_TWENTY[1:], edge=1_000_000_000)


def varied(rules: int, others: Sequence[str] = ONE_OF_TWENTY, edge: int = 0) -> str:
    """A rule file: groups of ten rules, the kinds in turn, a metric after the other."""
    lines = ["groups:"]
    for i in range(rules):
        if i % 10 == 0:
            lines.append(f"- name: g{i // 10}\n  interval: 15s\n  rules:")
        turn = (i + i // stage.METRICS) % 20
        kind = others[turn] if turn < len(others) else VARIED[(turn + i // stage.METRICS) % len(VARIED)]
        host = i * 7 % HOSTS
        lines.append(
            "  - {"
            + kind.format(
                i=i,
                n=i % stage.METRICS,
                m=(i + 1) % stage.METRICS,
                high=1_000_000_000 + i,
                edge=edge - i if i % 20 == 7 else 1_000_000_000 + i,
                host=host,
                pool=host % POOLS,
            )
            + "}"
        )
    return "\n".join(lines)


MIXES: dict[str, Callable[[int], str]] = {"even": stage.rule_text, "varied": varied, "idle": idle}
"""By their names in the options: ``even`` has some 600 expressions, however many rules there are."""
