"""How many rows of a rollup are right: a peer's rows beside a recount of the samples that were generated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa

from schemas.series import parse_labels, series_text
from tests.e2e import recount

WINDOW_MS = 60_000
TOLERANCE = 1e-9
"""Sums of floats depend on the order of the terms in their last bits."""

Names = dict[tuple[str, str], str]
"""Canonical texts of series by host and metric."""


class Row(NamedTuple):
    """A row of a peer: series (canonical text), start of the window (ms), number, sum, least and greatest. Of equal keys the last one counts."""

    series: str
    time: int
    number: float
    total: float
    low: float
    high: float


@dataclass(frozen=True)
class Right:
    """Shares of rows that are right, from 0 to 1; None where there is no such row.

    Attributes:
        rows: that there should be, the first and the last window left out.
        untouched: of windows whose samples all came once and on time.
        late: of windows with a sample that came late, and none that came twice.
        twice: of windows with a sample that came twice, with the same value or another.
    """

    rows: int
    untouched: float | None
    late: float | None
    twice: float | None


def names(truth: Path) -> Names:
    """The series of a generator's truth file."""
    with duckdb.connect() as db:
        pairs = db.execute("select distinct target, metric from read_parquet(?)", [str(truth)]).fetchall()
    return {(parse_labels(target)["host"], metric): series_text(target, metric) for target, metric in pairs}


def named(rows: Iterable[tuple[str, str, int, float, float, float, float]], series: Names) -> list[Row]:
    """Rows of a peer that knows a series by host and metric."""
    return [Row(series[host, metric], time, *values) for host, metric, time, *values in rows]


def score(truth: Path, rows: Iterable[Row], window_ms: int = WINDOW_MS) -> Right:
    """Compare a peer's rows with the truth.

    A row is right if count, minimum and maximum are equal, and the sum is to 1e-9. The first and the last window are left out, which a peer
    that goes with the clock sees in part, and another may still hold open.
    """
    wanted = recount.rollups(recount.truth_samples(truth), window_ms)
    columns = list(zip(*rows, strict=True)) or [()] * len(Row._fields)
    types = (pa.utf8(), pa.int64(), *[pa.float64()] * 4)
    found = pa.table([pa.array(column, kind) for column, kind in zip(columns, types, strict=True)], names=Row._fields)
    texts = [(host, metric, text) for (host, metric), text in names(truth).items()]
    with duckdb.connect() as db:
        db.register("w", wanted)
        db.register("found", found.append_column("place", pa.array(range(len(found)), pa.int64())))
        db.register(
            "texts", pa.table([list(column) for column in zip(*texts, strict=True)], ["host", "metric", "series"])
        )
        answer = db.execute(
            f"""
            with f as (from found qualify row_number() over (partition by series, time order by place desc) = 1),
            faults as (
                select series, ts - ts % {window_ms} as time, bool_or(copies > 1 or fate = 'superseded') as twice, bool_or(delay_ms > 0) as late
                from read_parquet(?) t join texts
                on texts.metric = t.metric and texts.host = regexp_extract(t.target, '[{{,]host="([^"]*)"', 1)
                group by all
            ),
            judged as (
                select if(twice, 'twice', if(late, 'late', 'untouched')) as kind,
                    coalesce(f.number = w.count and f.low = w.min and f.high = w.max
                        and abs(f.total - w.sum) <= {TOLERANCE} * abs(w.sum), false) as is_right
                from w join faults using (series, time) left join f using (series, time)
                where time > (select min(time) from w) and time < (select max(time) from w)
            )
            select kind, count(*), avg(is_right::int) from judged group by kind
            """,
            [str(truth)],
        ).fetchall()
    shares = {kind: share for kind, _, share in answer}
    return Right(sum(count for _, count, _ in answer), shares.get("untouched"), shares.get("late"), shares.get("twice"))
