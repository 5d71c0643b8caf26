"""The benchmark of pane delays, without a run."""

import numpy as np

from benchmarks import pane_delay
from benchmarks.pane_delay import delays
from schemas import batch as batches
from schemas.batch import MAX_PARTITIONS, SampleBatch, sequence


def test_a_delay_is_from_the_last_watermark_to_the_last_pane() -> None:
    lines = [
        # Partition 0 passes minute 7 with its first watermark of minute 8, partition 1 with that of minute 9.
        "100.0 watermark 0 7",
        "101.0 watermark 0 8",
        "101.5 watermark 1 7",
        "102.0 watermark 1 9",
        "102.5 pane 3 7",
        "103.5 pane 4 7",
        "104.0 watermark 0 9",
        "104.25 pane 3 8",
    ]
    assert delays(lines, 2) == [1.5, 0.25]


def test_a_window_that_some_partition_did_not_pass_has_no_delay() -> None:
    assert delays(["101.0 watermark 0 8", "102.0 pane 0 7"], 2) == []


def test_each_partition_is_logged_when_it_passes_a_minute_for_the_first_time(tmp_path) -> None:
    log = pane_delay._LogWatermarks(str(tmp_path), 2)

    def element(partition: int, minute: int) -> tuple[bytes, bytes]:
        number, whole = np.zeros(1, np.int32), np.zeros(1, np.int64)
        seq = np.array([sequence(partition, 5)])
        rows = SampleBatch(["{}"], ["up"], number, number, whole, np.zeros(1), seq, minute * pane_delay.MINUTE + 1)
        return b"", batches.encode(rows)

    assert sequence(1, 5) % MAX_PARTITIONS == 1
    for partition, minute in [(0, 7), (0, 7), (1, 7), (0, 8), (1, 7), (1, 9)]:
        assert list(log.process(element(partition, minute))) == []
    (path,) = tmp_path.iterdir()
    assert [line.split()[1:] for line in path.read_text().splitlines()] == [
        ["watermark", "0", "7"],
        ["watermark", "1", "7"],
        ["watermark", "0", "8"],
        ["watermark", "1", "9"],
    ]
