"""What the clock puts on the queue, and that the worker takes it."""

from __future__ import annotations

import json
import re

import pytest

from tests.fakes.messages import message
from tests.fakes.templates import Resource, Templates, at
from tests.fakes.worker_task import secrets, variables
from worker.job_types import scheduled
from worker.jobs.notices import Notices
from worker.queue.envelope import open_envelope
from worker.settings import Settings

# As EventBridge Scheduler writes it, in UTC: 08:15 in London, in winter.
AS_AWS_WRITES_IT = "2026-11-26T08:15:00Z"
TIMES = {
    "water.licence-updates": "cron(15 8 * * ? *)",
    "water.time-limited": "cron(15 20 * * ? *)",
    "lists.annual-review.batch": "cron(50 10 * * ? *)",
    "lists.annual-review.worker": "cron(0 11 * * ? *)",
}


def schedule(stage: Templates, job_type: str) -> Resource:
    (one,) = [
        one
        for one in stage.every("Scheduler::Schedule")
        if json.loads(one.text("Target", "Input"))["jobType"] == job_type
    ]
    return one


@pytest.mark.parametrize(("job_type", "cron"), TIMES.items())
def test_each_job_runs_at_its_time_in_london(dev: Templates, job_type: str, cron: str) -> None:
    one = schedule(dev, job_type)

    assert one["ScheduleExpression"] == cron
    assert one["ScheduleExpressionTimezone"] == "Europe/London"
    assert one["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert one["State"] == "ENABLED"


def test_nothing_else_is_scheduled(dev: Templates) -> None:
    assert len(dev.every("Scheduler::Schedule")) == len(TIMES)


@pytest.mark.parametrize("job_type", TIMES)
def test_what_cannot_be_put_on_the_queue_is_tried_again_and_then_kept(
    dev: Templates, job_type: str
) -> None:
    target = schedule(dev, job_type)["Target",]
    jobs = dev.only("SQS::Queue", QueueName="nrf-worker-dev-jobs")
    unsent = dev.only("SQS::Queue", QueueName="nrf-worker-dev-schedules-dlq")

    assert at(target, "Arn") == jobs.arn
    assert at(target, "DeadLetterConfig") == {"Arn": unsent.arn}
    assert at(target, "RetryPolicy") == {
        "MaximumEventAgeInSeconds": 6 * 3600,
        "MaximumRetryAttempts": 185,
    }


def test_the_schedules_may_send_to_their_two_queues_only(dev: Templates) -> None:
    jobs = dev.only("SQS::Queue", QueueName="nrf-worker-dev-jobs")
    unsent = dev.only("SQS::Queue", QueueName="nrf-worker-dev-schedules-dlq")
    roles = {one.text("Target", "RoleArn") for one in dev.every("Scheduler::Schedule")}
    granted = [
        (at(statement, "Action"), at(statement, "Resource"))
        for one in dev.every("IAM::Policy")
        if f"{one.text('Roles', 0)[:-1]}.Arn}}" in roles
        for statement in one.items("PolicyDocument", "Statement")
    ]

    assert granted
    assert {resource for _, resource in granted} == {jobs.arn, unsent.arn}
    assert {action for action, _ in granted} == {"sqs:SendMessage"}


@pytest.mark.parametrize("job_type", TIMES)
def test_the_worker_takes_the_message_and_knows_the_run_by_its_time(
    dev: Templates, monkeypatch: pytest.MonkeyPatch, job_type: str
) -> None:
    for name, value in variables(dev).items():
        monkeypatch.setenv(name, value)
    for name in secrets(dev):
        monkeypatch.setenv(name, "5ecret")
    settings = Settings.load()
    types = {one.name: one for one in scheduled(settings, Notices(settings.notify))}
    body = schedule(dev, job_type).text("Target", "Input")
    placeholders = set(re.findall("<[^>]*>", body))
    sent = body.replace("<aws.scheduler.scheduled-time>", AS_AWS_WRITES_IT)

    job = types[job_type].accept(open_envelope(message(sent), max_body_bytes=1_048_576))

    assert placeholders == {"<aws.scheduler.scheduled-time>"}
    assert job.key == f"{job_type}:{AS_AWS_WRITES_IT}"
    assert job.payload["runDate"] == "2026-11-26"
