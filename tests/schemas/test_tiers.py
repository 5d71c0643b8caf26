from __future__ import annotations

import pytest

from schemas.tiers import Tier, Tiers

DAY = 86_400_000

NO_FOLDERS = (
    *(
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/etc",
        "a\\b",
        "..\\x",
        ".hidden",
        "_runs",
        "-rf",
        "a\n",
        "a\0b",
        "x" * 101,
        "é" * 51,
    ),
    *("date=2026-01-12", "*", "a?", " a", "a ", "a.", "a:b", "\u202ea"),
)


def test_default_tiers() -> None:
    tiers = Tiers()
    assert [(tier.name, tier.window_ms, tier.retention_ms) for tier in tiers.rollups] == [
        ("1m", 60_000, 30 * DAY),
        ("1h", 3_600_000, 365 * DAY),
    ]
    assert (tiers.raw_retention_ms, tiers.lateness_ms) == (7 * DAY, 300_000)


@pytest.mark.parametrize(
    ("ts", "window"), [(0, 0), (59_999, 0), (60_000, 60_000), (1_700_000_012_345, 1_699_999_980_000)]
)
def test_window_of_is_aligned_to_the_epoch(ts: int, window: int) -> None:
    assert Tiers().rollups[0].window_of(ts) == window


def test_from_config() -> None:
    config = {
        "lateness": "10m",
        "late_pane_delay": "5s",
        "raw": {"bucket": "r", "retention": "1d"},
        "rollups": [{"window": "10s"}, {"name": "five", "window": "5m", "retention": "2w", "bucket": "b5"}],
    }
    assert Tiers.from_config(config) == Tiers(
        rollups=(Tier("10s", 10_000, 0, "rollup_10s"), Tier("five", 300_000, 14 * DAY, "b5")),
        lateness_ms=600_000,
        late_pane_delay_ms=5_000,
        raw_bucket="r",
        raw_retention_ms=DAY,
    )
    assert Tiers.from_config({}) == Tiers()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"latenes": "1m"}, "^tiers: no such key: latenes; known: late_pane_delay, lateness, raw, rollups"),
        ({"lateness": "soon"}, "tiers.lateness: not a duration: 'soon'"),
        ({"raw": {"bukket": "x"}}, "tiers.raw: no such key: bukket"),
        ({"raw": {"retention": "long"}}, "^tiers.raw.retention: not a duration: 'long'"),
        ({"raw": []}, "tiers.raw: a mapping is wanted"),
        ({"rollups": {}}, "tiers.rollups: a list is wanted"),
        ({"rollups": []}, "at least one rollup"),
        ({"rollups": [{"name": "1m"}]}, r"tiers.rollups\[0\]: window is missing"),
        (
            {"rollups": [{"windo": "1m"}]},
            r"tiers.rollups\[0\]: no such key: windo; known: bucket, name, retention, window",
        ),
        ({"rollups": [{"window": "soon"}]}, r"tiers.rollups\[0\].window: not a duration: 'soon'"),
        (
            {"rollups": [{"window": "1m"}, {"window": "1h", "retention": "long"}]},
            r"tiers.rollups\[1\].retention: not a duration: 'long'",
        ),
        ({"rollups": [{"name": "a", "window": "1m"}, {"name": "b", "window": "60s"}]}, "must be a multiple"),
        ({"rollups": [{"window": "0s"}]}, "window must be longer than zero"),
        (
            {"rollups": [{"window": "1m"}, {"window": "90s"}]},
            r"the window of 1m30s \(1m30s\) must be a multiple of that of 1m",
        ),
        ({"rollups": [{"window": "1h"}, {"window": "1m"}]}, "must be a multiple"),
        ({"rollups": [{"name": "raw", "window": "1m"}]}, "none may be 'raw'"),
        ({"rollups": [{"name": "a", "window": "1m"}, {"name": "a", "window": "1h"}]}, "names must differ"),
        *(
            ({"rollups": [{"name": name, "window": "1m"}]}, r"tiers.rollups\[0\].name: .* becomes a folder")
            for name in NO_FOLDERS
        ),
        ({"rollups": [{"name": None, "window": "1m"}]}, r"tiers.rollups\[0\].name: a text is wanted, not None"),
        ({"rollups": [{"name": True, "window": "1m"}]}, r"tiers.rollups\[0\].name: a text is wanted, not True"),
        ({"rollups": [{"name": "5m", "window": "10m"}]}, "'5m' says another length than the window, 10m"),
        ({"rollups": [{"window": "1m", "bucket": "_monitoring"}]}, r"tiers.rollups\[0\].bucket: '_monitoring' cannot"),
        ({"rollups": [{"window": "1m", "bucket": ["a"]}]}, r"tiers.rollups\[0\].bucket: a text is wanted"),
        ({"raw": {"bucket": ""}}, "tiers.raw.bucket: '' cannot be a bucket"),
        ({"raw": {"bucket": "a\nb"}}, "tiers.raw.bucket: .* cannot be a bucket"),
        ({"raw": {"bucket": "rollup_1h"}}, "raw and 1h have one bucket, 'rollup_1h'"),
        (
            {"rollups": [{"window": "1m", "bucket": "b"}, {"window": "1h", "bucket": "b"}]},
            "1m and 1h have one bucket, 'b': give each its own",
        ),
    ],
)
def test_from_config_names_what_is_wrong(config: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tiers.from_config(config)


def test_a_window_may_be_as_short_as_a_millisecond() -> None:
    (tier,) = Tiers.from_config({"rollups": [{"window": "1ms"}]}).rollups
    assert (tier.name, tier.window_ms, tier.window_of(7)) == ("1ms", 1, 7)


@pytest.mark.parametrize("name", ["1m", "5 Minuten", "täglich", "10s.v2", "a", "x" * 100, "7", 7, "30+", "1h_eu-west"])
def test_names_that_are_plain_are_taken(name: str | int) -> None:
    (tier,) = Tiers.from_config({"rollups": [{"name": name, "window": "1m"}]}).rollups
    assert tier.name == str(name)


@pytest.mark.parametrize("name", NO_FOLDERS)
def test_a_tier_made_in_code_stays_in_its_store_too(name: str) -> None:
    with pytest.raises(ValueError, match=r"^tiers: .* becomes a folder"):
        Tiers(rollups=(Tier(name, 60_000, 0, "b"),))


@pytest.mark.parametrize("name", ["lateness_ms", "late_pane_delay_ms"])
def test_lateness_and_its_delay_may_be_zero_and_not_negative(name: str) -> None:
    assert getattr(Tiers(**{name: 0}), name) == 0
    with pytest.raises(ValueError, match="cannot be negative"):
        Tiers(**{name: -1})
