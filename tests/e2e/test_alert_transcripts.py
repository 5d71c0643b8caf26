"""Every transcript of alerts in one job on Flink, where marks alone move the time of rules."""

from __future__ import annotations

from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from deploy.progress import Plain
from deploy.stack import Stack
from schemas.alert_event import AlertEvent, decode
from tests.transcripts.alerts.hosts import Programme
from tests.transcripts.alerts.ordered import append, evaluated, for_shards
from tests.transcripts.alerts.transcript import BEGIN, load
from tests.transcripts.transcript import BASE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

PATHS = sorted((Path(__file__).parents[1] / "transcripts" / "alerts").glob("*.yaml"))
SHARDS = 2
PROGRAMME = Programme([load(path) for path in PATHS], SHARDS)


@pytest.fixture(scope="module")
def events(idle_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> list[AlertEvent]:
    """The events of all transcripts, as the job wrote them."""
    idle_stack.up(["flink", "jobserver", "workers"], progress=Plain())
    written = tmp_path_factory.mktemp("alerts") / "events"
    words = [
        "--runner=PortableRunner",
        f"--job_endpoint={idle_stack.address('jobserver')}",
        f"--artifact_endpoint={idle_stack.address('jobserver-artifact')}",
        "--environment_type=EXTERNAL",
        f"--environment_config={idle_stack.address('workers')}",
        "--streaming",
        "--parallelism=1",
        # A bundle for each element: what arrives in one bundle is evaluated together.
        "--max_bundle_size=1",
        "--max_bundle_time_mills=600000",
        "--job_name=alert-transcripts",
    ]
    pipeline = beam.Pipeline(options=PipelineOptions(words))
    found = evaluated(pipeline, for_shards(PROGRAMME, BASE + BEGIN), PROGRAMME.settings)
    found | "Write" >> beam.Map(append, str(written))
    pipeline.run().wait_until_finish()
    return [decode(line) for line in written.read_bytes().splitlines()]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_flink(events: list[AlertEvent], path: Path) -> None:
    transcript = load(path)
    assert PROGRAMME.lines(transcript, events) == transcript.expected
