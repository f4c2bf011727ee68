"""The helpers that every other integration test stands on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import psutil
import psycopg
import pytest

from worker.demo.aws import AwsEmulator, QueuePair
from worker.demo.postgis import DatabaseServer, EmbeddedPostgis
from worker.migrations import runner

_START_AND_WAIT = """
import sys, time
from worker.demo.postgis import EmbeddedPostgis
with EmbeddedPostgis() as server:
    print(server.port, server.home, flush=True)
    time.sleep(60)
"""


def test_a_test_gets_a_migrated_database_with_postgis(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT ST_Area('POLYGON((0 0,0 2,2 2,2 0,0 0))')").fetchone()
    assert row == (4.0,)
    assert runner.current(database_url) == runner.head()


def test_changes_stay_in_the_database_of_their_test(
    postgis: DatabaseServer, database_template: str, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE mine (id int)")
    other = postgis.create_database("other", database_template)
    try:
        with psycopg.connect(other) as connection:
            assert connection.execute("SELECT to_regclass('mine')").fetchone() == (None,)
    finally:
        postgis.drop_database("other")


def test_the_cluster_ends_when_its_user_is_killed() -> None:
    user = subprocess.Popen(
        [sys.executable, "-c", _START_AND_WAIT], stdout=subprocess.PIPE, text=True
    )
    assert user.stdout is not None
    port, home = user.stdout.readline().split()

    user.send_signal(signal.SIGKILL)
    user.wait()
    user.stdout.close()

    deadline = time.monotonic() + 15
    while Path(home).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(home).exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres", connect_timeout=2)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the server can enter as another user; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def test_a_cluster_that_is_kept_has_its_data_the_next_time(open_folder: Path) -> None:
    home = open_folder / "cluster"
    with EmbeddedPostgis(keep_in=home) as first:
        first.create_database("kept")
    with (
        EmbeddedPostgis(keep_in=home) as second,
        psycopg.connect(second.url("kept")) as connection,
    ):
        assert connection.execute("SELECT current_database()").fetchone() == ("kept",)


def test_helpers_leave_no_process_behind() -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with EmbeddedPostgis(), AwsEmulator():
        pass
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


def test_a_message_of_a_topic_reaches_its_queue_in_an_envelope(
    aws: AwsEmulator, queue: QueuePair
) -> None:
    topic = aws.create_topic("quotes", queue)
    aws.sns.publish(TopicArn=topic, Message='{"reference": "A1"}')

    (message,) = aws.sqs.receive_message(QueueUrl=queue.url, WaitTimeSeconds=2)["Messages"]

    assert json.loads(json.loads(message["Body"])["Message"]) == {"reference": "A1"}


def test_a_message_received_three_times_moves_to_the_dead_letter_queue(
    aws: AwsEmulator, queue: QueuePair
) -> None:
    sqs = aws.sqs
    sqs.send_message(QueueUrl=queue.url, MessageBody="bad")
    for _ in range(3):
        (message,) = sqs.receive_message(QueueUrl=queue.url, VisibilityTimeout=0)["Messages"]
        assert message["Body"] == "bad"

    assert "Messages" not in sqs.receive_message(QueueUrl=queue.url)
    (dead,) = sqs.receive_message(QueueUrl=queue.dlq_url)["Messages"]
    assert dead["Body"] == "bad"


def test_boto3_uses_the_emulator_by_default(aws: AwsEmulator, bucket: str) -> None:
    assert os.environ["AWS_ENDPOINT_URL"] == aws.endpoint_url
    names = [found["Name"] for found in boto3.client("s3").list_buckets()["Buckets"]]
    assert bucket in names


def test_the_acceptance_data_is_there(acceptance_dir: Path) -> None:
    assert (acceptance_dir / "nutrient" / "one_site.zip").is_file()
