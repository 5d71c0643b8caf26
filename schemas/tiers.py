"""Retention tiers: what is kept at which resolution for how long, and how late data may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.names import check_bucket, check_folder, text_of
from schemas.times import format_duration, parse_duration


@dataclass(frozen=True)
class Tier:
    """One resolution of the rollups.

    Attributes:
        name: as in folders, tables and the labels of steps, ``1m``; see :func:`schemas.names.check_folder`.
        window_ms: length of its fixed windows, aligned to the epoch.
        retention_ms: how long stores keep it, 0 for ever.
        bucket: of InfluxDB.
    """

    name: str
    window_ms: int
    retention_ms: int
    bucket: str

    def window_of(self, ts: int) -> int:
        """Start (ms) of the window that holds an event time (ms)."""
        return ts - ts % self.window_ms


@dataclass(frozen=True)
class Tiers:
    """The tiers of a job, finest first, each window a multiple of the one before; raw samples beside them.

    Attributes:
        rollups: at least one.
        lateness_ms: how far behind the watermark data still corrects its windows; the same for all tiers, since a correction of a
            fine window is a correction of the coarse one around it.
        late_pane_delay_ms: late data of a window go out as one corrected pane when the watermark, in event time, reaches the next multiple.
        raw_bucket, raw_retention_ms: of raw samples.

    Raises:
        ValueError: windows that do not nest, a negative or zero length, or names that cannot be, or are the same.
    """

    rollups: tuple[Tier, ...] = (
        Tier("1m", 60_000, 30 * 86_400_000, "rollup_1m"),
        Tier("1h", 3_600_000, 365 * 86_400_000, "rollup_1h"),
    )
    lateness_ms: int = 300_000
    late_pane_delay_ms: int = 10_000
    raw_bucket: str = "raw"
    raw_retention_ms: int = 7 * 86_400_000

    def __post_init__(self) -> None:
        if not self.rollups:
            raise ValueError("tiers: at least one rollup is needed")
        if self.lateness_ms < 0 or self.late_pane_delay_ms < 0:
            raise ValueError("tiers: lateness and late_pane_delay cannot be negative")
        for tier in self.rollups:
            check_folder("tiers", tier.name)
            if tier.window_ms <= 0:
                raise ValueError(f"tiers: {tier.name}: window must be longer than zero")
        for fine, coarse in zip(self.rollups, self.rollups[1:], strict=False):
            if coarse.window_ms <= fine.window_ms or coarse.window_ms % fine.window_ms:
                raise ValueError(
                    f"tiers: the window of {coarse.name} ({format_duration(coarse.window_ms)}) must be a multiple of "
                    f"that of {fine.name} ({format_duration(fine.window_ms)})"
                )
        names = [tier.name for tier in self.rollups]
        if len(set(names)) < len(names) or "raw" in names:
            raise ValueError(f"tiers: names must differ, and none may be 'raw': {', '.join(names)}")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Tiers:
        """Tiers of a configuration file's mapping; docs/operations.md shows one.

        Raises:
            ValueError: an unknown key, a missing one, or a value that is none; the message names it.
        """
        known = {"lateness", "late_pane_delay", "raw", "rollups"}
        _refuse_unknown("tiers", config, known)
        fields: dict[str, Any] = {}
        for key in ("lateness", "late_pane_delay"):
            if key in config:
                fields[f"{key}_ms"] = _duration(f"tiers.{key}", config[key])
        if "raw" in config:
            raw = config["raw"]
            _refuse_unknown("tiers.raw", raw, {"bucket", "retention"})
            if "bucket" in raw:
                fields["raw_bucket"] = _bucket("tiers.raw.bucket", raw["bucket"])
            if "retention" in raw:
                fields["raw_retention_ms"] = _duration("tiers.raw.retention", raw["retention"])
        if "rollups" in config:
            fields["rollups"] = tuple(
                _tier(i, entry) for i, entry in enumerate(_list("tiers.rollups", config["rollups"]))
            )
        tiers = cls(**fields)
        _check_apart(tiers)
        return tiers


def _tier(index: int, entry: Mapping[str, Any]) -> Tier:
    where = f"tiers.rollups[{index}]"
    _refuse_unknown(where, entry, {"name", "window", "retention", "bucket"})
    if "window" not in entry:
        raise ValueError(f"{where}: window is missing")
    window_ms = _duration(f"{where}.window", entry["window"])
    name = text_of(f"{where}.name", entry.get("name", format_duration(window_ms)))
    check_folder(f"{where}.name", name)
    if _named_length(name) not in (None, window_ms):
        raise ValueError(f"{where}.name: {name!r} says another length than the window, {format_duration(window_ms)}")
    return Tier(
        name=name,
        window_ms=window_ms,
        retention_ms=_duration(f"{where}.retention", entry.get("retention", "0s")),
        bucket=_bucket(f"{where}.bucket", entry.get("bucket", f"rollup_{name}")),
    )


def _named_length(name: str) -> int | None:
    """The window length in a name that is a duration: readers of a store rely on it."""
    try:
        return parse_duration(name)
    except ValueError:
        return None


def _bucket(where: str, value: Any) -> str:
    name = text_of(where, value)
    check_bucket(where, name)
    return name


def _check_apart(tiers: Tiers) -> None:
    """Refuse two tiers in one bucket: an hour's first minute and the hour have one time, so they would be one point."""
    names = {tiers.raw_bucket: "raw"}
    for tier in tiers.rollups:
        other = names.setdefault(tier.bucket, tier.name)
        if other != tier.name:
            raise ValueError(f"tiers: {other} and {tier.name} have one bucket, {tier.bucket!r}: give each its own")


def _list(where: str, value: Any) -> Sequence[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: a list is wanted, not {value!r}")
    return value


def _duration(where: str, value: Any) -> int:
    try:
        return parse_duration(str(value))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _refuse_unknown(where: str, mapping: Any, known: set[str]) -> None:
    if not isinstance(mapping, Mapping):
        raise ValueError(f"{where}: a mapping is wanted, not {mapping!r}")
    unknown = sorted(set(mapping) - known)
    if unknown:
        raise ValueError(f"{where}: no such key: {', '.join(map(str, unknown))}; known: {', '.join(sorted(known))}")
