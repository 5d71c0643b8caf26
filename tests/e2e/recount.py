"""What the job should have written, counted anew in DuckDB from the samples themselves, and how what it wrote differs.

Nothing of the job takes part but the notation of series. Samples are a table of ``series`` (canonical text), ``ts`` (ms) and ``value``,
one row for each series and event time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from schemas.series import labels_text, series_text
from tests.e2e.read_back import Message

COLUMNS = ("count", "sum", "min", "max", "first", "last", "increase", "first_ts", "last_ts")
# Sums of floats depend on the order of the terms in their last bits; sums of whole numbers do not.
TOLERANCE = 1e-9
SHOWN = 5

# A cast reads a time of any number of decimals; `strptime` with several formats gives nanoseconds, which DuckDB 2 does not make numbers of.
_TIME = "epoch_ms(time::timestamp)"

_SAMPLES = pa.schema([("series", pa.utf8()), ("ts", pa.int64()), ("value", pa.float64())])


def sample_table(rows: Iterable[tuple[str, int, float]]) -> pa.Table:
    """Samples as a table."""
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return pa.table([list(column) for column in columns], schema=_SAMPLES)


def late_samples(messages: Sequence[Message]) -> pa.Table:
    """Every sample of the late topic's documents."""
    rows = []
    for message in messages:
        document = json.loads(message.value)
        target = labels_text(document["labels"].items())
        rows += [(series_text(target, key), document["timestamp"], value) for key, value in document["samples"].items()]
    return sample_table(rows)


def truth_samples(truth: Path, too_late: pa.Table | None = None) -> pa.Table:
    """The samples of a generator's truth file that a job keeps: of each series and event time the value delivered last.

    Args:
        too_late: deliveries that the job refused; each takes away one copy.
    """
    with duckdb.connect() as db:
        pairs = db.execute("select distinct target, metric from read_parquet(?)", [str(truth)]).fetchall()
        texts = {"target": [], "metric": [], "series": []}
        for target, metric in pairs:
            for column, text in zip(texts.values(), (target, metric, series_text(target, metric)), strict=True):
                column.append(text)
        db.register("texts", pa.table(texts))
        db.register("too_late", too_late if too_late is not None else sample_table([]))
        return db.sql(
            """
            with delivered as (
                select series, ts, value, sum(copies) as copies, bool_and(fate = 'superseded') as superseded
                from read_parquet(?) join texts using (target, metric) group by all
            ), refused as (select series, ts, value, count(*) as copies from too_late group by all),
            kept as (
                select series, ts, value, superseded from delivered left join refused using (series, ts, value)
                where delivered.copies > coalesce(refused.copies, 0)
            )
            select series, ts, arg_min(value, superseded) as value from kept group by all
            """,
            params=[str(truth)],
        ).to_arrow_table()


def rollups(samples: pa.Table, window_ms: int) -> pa.Table:
    """A row for each series and window; ``whole`` reports whether its sums are of whole numbers, and exact."""
    with duckdb.connect() as db:
        db.register("samples", samples)
        return db.sql(
            f"""
            with steps as (
                select *, lag(value) over (partition by series, time order by ts) as before
                from (select *, ts - ts % {window_ms} as time from samples)
            )
            select series, time, count(*) as count, fsum(value) as sum, min(value) as min, max(value) as max,
                arg_min(value, ts) as first, arg_max(value, ts) as last,
                fsum(case when before is null then 0 when value < before then value else value - before end) as increase,
                min(ts) as first_ts, max(ts) as last_ts, bool_and(value = trunc(value)) and sum(abs(value)) < 2::double ** 53 as whole
            from steps group by series, time
            """,
        ).to_arrow_table()


def assert_rows_equal(wanted: pa.Table, points: pa.Table) -> None:
    """Fail, with the first few of the rows that are missing, extra or different, unless a rollup bucket's points are :func:`rollups`."""
    fields = ", ".join(f"max(value) filter (field = '{name}')::double as {name}" for name in COLUMNS)
    unequal = " or ".join(
        f"(abs(w.{name} - f.{name}) > if(w.whole, 0, {TOLERANCE}) * abs(w.{name}) or f.{name} is null)"
        if name in ("sum", "increase")
        else f"f.{name} is distinct from w.{name}"
        for name in COLUMNS
    )
    _assert_equal(
        wanted,
        points,
        f"select series, {_TIME} as time, {fields}, count(*) as fields from points group by all",
        f"{unequal} or f.fields <> {len(COLUMNS)}",
    )


def assert_raw_equal(samples: pa.Table, points: pa.Table) -> None:
    """Fail likewise unless a raw bucket's points are the samples."""
    wanted = samples.rename_columns(["series", "time", "value"])
    _assert_equal(
        wanted, points, f"select series, {_TIME} as time, value::double as value from points", "w.value <> f.value"
    )


def _assert_equal(wanted: pa.Table, points: pa.Table, found: str, unequal: str) -> None:
    with duckdb.connect() as db:
        db.register("w", wanted)
        db.register("points", points)
        db.execute(f"create table f as {found}")
        kinds = {
            "missing": "select w.* from w anti join f using (series, time)",
            "extra": "select f.* from f anti join w using (series, time)",
            "different": f"select * from w join f using (series, time) where {unequal}",
        }
        said = []
        for kind, query in kinds.items():
            (number,) = db.execute(f"select count(*) from ({query})").fetchone()
            if number:
                rows = db.execute(f"select * from ({query}) order by series, time limit {SHOWN}").fetchall()
                said += [f"{number} rows {kind}:", *map(str, rows)]
        assert not said, "\n".join(said)
