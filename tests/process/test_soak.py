"""Five hundred messages, two workers, and everything that may go wrong at once."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.fakes.environment import Environment
from tests.fakes.sqs_queue import Accident
from tests.fakes.sqs_server import SqsServer
from tests.soak.chaos import AWAY, CUT, KILLED, PAUSED, STOPPED
from tests.soak.plan import plan
from tests.soak.run import Pace, Soak
from tests.soak.services import SoakBackend, SoakNotify
from worker.demo.aws import AwsEmulator, create_queue_pair
from worker.demo.postgis import DatabaseServer

SEED = 7
PACE = Pace(every=50, lease_s=6, delivery_claim_s=8, backoff_s=0.5, limit_s=300, say_each_s=5)

EVENTS = {KILLED, STOPPED, PAUSED, CUT, AWAY, *Accident}


@pytest.mark.timeout(420)
def test_nothing_is_lost_and_nothing_done_twice_whatever_goes_wrong(
    postgis: DatabaseServer,
    reference_template: str,
    aws: AwsEmulator,
    bucket: str,
    tmp_path: Path,
) -> None:
    wanted = plan(500, SEED)
    name = f"soak-{uuid.uuid4().hex[:12]}"
    url = postgis.create_database(name, reference_template)
    with SqsServer() as double, SoakBackend(SEED) as backend, SoakNotify(SEED) as notify:
        backend.unknown_quotes |= wanted.unknown_quotes
        queue = create_queue_pair(double.client, "jobs")
        environment = Environment(url, aws, queue, bucket, backend, notify, double)
        outcome = Soak(
            wanted,
            environment,
            backend,
            notify,
            postgis,
            seed=SEED,
            pace=PACE,
            logs=tmp_path,
            say=print,
        ).run()
    postgis.drop_database(name)

    print(outcome)
    assert outcome.findings.violations == []
    assert EVENTS <= outcome.happened.keys(), "all of it did go wrong"
    assert outcome.exits[-9] >= 2, "a poisoned job kills at least twice"
