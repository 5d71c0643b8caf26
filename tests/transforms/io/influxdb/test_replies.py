from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.io.influxdb.replies import Backoff, Verdict, dropped_points, message, retry_after, verdict


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        (0, Verdict.RETRY),
        (199, Verdict.MISCONFIGURED),
        (200, Verdict.WRITTEN),
        (204, Verdict.WRITTEN),
        (299, Verdict.WRITTEN),
        (300, Verdict.MISCONFIGURED),
        (301, Verdict.MISCONFIGURED),
        (400, Verdict.REFUSED),
        (401, Verdict.MISCONFIGURED),
        (403, Verdict.MISCONFIGURED),
        (404, Verdict.MISCONFIGURED),
        (408, Verdict.RETRY),
        (413, Verdict.SPLIT),
        (422, Verdict.REFUSED),
        (425, Verdict.RETRY),
        (429, Verdict.RETRY),
        (499, Verdict.MISCONFIGURED),
        (500, Verdict.RETRY),
        (502, Verdict.RETRY),
        (503, Verdict.RETRY),
        (504, Verdict.RETRY),
    ],
)
def test_verdict(status: int, wanted: Verdict) -> None:
    assert verdict(status) is wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"code":"invalid","message":"unable to parse \'x\'"}', "unable to parse 'x'"),
        ('{"error":"?"}', '{"error":"?"}'),
        ("[1]", "[1]"),
        ('{"message":""}', '{"message":""}'),
        ('{"message":7}', "7"),
        (b"not \xff known\n", "not \ufffd known"),
        ("<html>bad gateway</html>\n", "<html>bad gateway</html>"),
        (b"\xff", "�"),
        ("", ""),
        (None, ""),
        ("x" * 5_000, "x" * 1_000),
        (f'{{"message": "{"x" * 5_000}"}}', "x" * 1_000),
    ],
)
def test_message(body: str | bytes | None, wanted: str) -> None:
    assert message(body) == wanted


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [
        ('partial write: field type conflict: input field "value" is type integer dropped=17', 17),
        ("partial write: dropped 2 points outside retention policy of duration 168h0m0s - oldest point", 2),
        ("unable to parse 'dropped': missing fields", None),
    ],
)
def test_dropped_points(reason: str, wanted: int | None) -> None:
    assert dropped_points(reason) == wanted


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        (None, 0.0),
        ({}, 0.0),
        ({"Retry-After": ""}, 0.0),
        ({"Retry-After": " 7 "}, 7.0),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:02:00 GMT"}, 20.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, 0.0),
        ({"Retry-After": "\u00b2"}, 0.0),
    ],
)
def test_retry_after(headers: dict[str, str] | None, wanted: float) -> None:
    assert retry_after(headers, now=100.0) == wanted


@settings(deadline=None)
@given(st.integers(1, 5_000), st.floats(0, 1, exclude_max=True), st.floats(0, 60))
def test_delays_double_up_to_the_longest_and_never_undercut_the_server(
    attempt: int, jitter: float, asked: float
) -> None:
    backoff = Backoff(first=0.25, longest=15.0)
    full = min(15.0, 0.25 * 2 ** min(attempt - 1, 20))
    assert backoff.delay(attempt, jitter, asked) >= asked
    assert full / 2 <= backoff.delay(attempt, jitter) <= full


def test_delays_at_either_end_of_the_jitter() -> None:
    backoff = Backoff(first=0.25, longest=15.0)
    assert [backoff.delay(attempt, 0.0) for attempt in (1, 2, 3, 6, 7, 8)] == [0.125, 0.25, 0.5, 4.0, 7.5, 7.5]
    assert [backoff.delay(attempt, 0.5) for attempt in (1, 2, 3)] == [0.1875, 0.375, 0.75]
    assert backoff.delay(1, 0.0, asked=3.0) == 3.0
