"""The meter of processes."""

import subprocess
import sys

from benchmarks.metering import Figures, Meter

BUSY = """
import subprocess, sys, time
if sys.argv[1:]:
    child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdout.readline()
else:
    block = bytearray(60_000_000)
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
print("done", flush=True)
sys.stdin.read()
"""


def test_descendants_count_and_each_have_their_own_usage():
    with subprocess.Popen(
        [sys.executable, "-c", BUSY, BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        with Meter(lambda: [process.pid]).running() as meter:
            assert process.stdout.readline() == "done\n"
        process.stdin.close()
    assert 0.3 <= meter.cpu_seconds < 5
    assert 60e6 < meter.peak_bytes < 500e6
    parent, child = meter.usage
    assert (parent.root, parent.pid, child.root) == (process.pid,) * 3
    assert child.pid != process.pid
    assert child.cpu_seconds >= 0.3 > parent.cpu_seconds


def test_what_was_spent_before_does_not_count():
    with subprocess.Popen(
        [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "done\n"
        meter = Meter(lambda: [process.pid])
        meter.look()
        assert meter.cpu_seconds >= 0.3
        with meter.running():
            pass
        assert meter.cpu_seconds < 0.3
        process.stdin.close()


def test_figures_are_of_samples():
    assert Figures.of(4_000_000, 8.0, 6.0, 123_456_789) == Figures(8.0, 500_000, 1.5, 123)
