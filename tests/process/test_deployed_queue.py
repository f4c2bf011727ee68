"""The data stack, deployed to an emulator, and the real worker on the queue that comes of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import boto3
import pytest

from tests.fakes.environment import FAILED, Environment
from tests.fakes.exports import ExportWorld, scheduled
from tests.fakes.submissions import put_broken_site, put_site, request
from tests.fakes.templates import PATIENCE_S, REPOSITORY, Templates, at, templates_of
from tests.fakes.worker_process import running_worker
from tests.fakes.worker_task import policy
from worker.demo.aws import REGION, AwsEmulator, QueuePair

pytestmark = pytest.mark.timeout(2 * PATIENCE_S)

# What moto makes of a template; it knows no policies of queues and buckets, and no secrets.
DEPLOYABLE = ("AWS::KMS::Key", "AWS::Logs::LogGroup", "AWS::S3::Bucket", "AWS::SQS::Queue")
UPLOADS, PREFIX = "nrf-uploads.example", "uploads/"
NAMESPACE = "NRFImpactAssessmentWorker"
EMULATED_ACCOUNT = "123456789012"

# What IAM calls an operation that has another name there.
ACTIONS = {
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
}
# Granted, but no call of botocore's.
NO_CALLS = {
    "s3:ListBucket": "has S3 answer 404 instead of 403 for a file that is not there",
    "rds-db:connect": "is checked by RDS when a token that was signed here is used",
    "ecs:UpdateTaskProtection": "the ECS agent calls with the task's role",
}


@dataclass(frozen=True)
class Deployed:
    """A worker's surroundings whose queues and buckets come from the template."""

    environment: Environment
    resources: dict[str, str]
    reference_bucket: str
    results_bucket: str

    def variables(self) -> dict[str, str]:
        return self.environment.variables(
            S3_REFERENCE_BUCKET=self.reference_bucket,
            S3_OUTPUT_BUCKET=self.results_bucket,
            ENABLE_METRICS="true",
            AWS_EMF_SERVICE_NAME="nrf-worker-dev-worker",
        )


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return templates_of("dev", tmp_path_factory)


@pytest.fixture
def deployed(environment: Environment, dev: Templates) -> Iterator[Deployed]:
    """Queues, buckets, log group and key of dev; removed again, since their names are fixed."""
    aws = environment.aws
    session = boto3.Session("testing", "testing", region_name=REGION)
    cloudformation = session.client("cloudformation", endpoint_url=aws.endpoint_url)
    cloudformation.create_stack(StackName="data", TemplateBody=_deployable(dev.files["data"]))
    described = cloudformation.describe_stacks(StackName="data")["Stacks"][0]
    assert described["StackStatus"] == "CREATE_COMPLETE"
    resources = {
        one["LogicalResourceId"]: one["PhysicalResourceId"]
        for one in cloudformation.describe_stack_resources(StackName="data")["StackResources"]
    }
    reference, results = (resources[one.name] for one in dev.every("S3::Bucket"))
    aws.create_bucket(UPLOADS)
    try:
        yield Deployed(
            replace(environment, queue=_queues(aws), bucket=UPLOADS), resources, reference, results
        )
    finally:
        for bucket in (UPLOADS, reference, results):
            _empty(aws, bucket)
        aws.s3.delete_bucket(Bucket=UPLOADS)
        cloudformation.delete_stack(StackName="data")


def test_three_failures_on_the_deployed_queue_end_in_its_dead_letter_queue(
    deployed: Deployed,
) -> None:
    environment = deployed.environment
    put_broken_site(environment, "uploads/broken")
    put_site(environment, f"{PREFIX}good/site.zip")
    environment.send(broken := request("broken", s3_input_key="uploads/broken/site.zip"))
    environment.send(request("good", s3_input_key=f"{PREFIX}good/site.zip"))

    with running_worker(deployed.variables()) as worker:
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")
        worker.wait_for("message.deleted")

    received = worker.events("message.received", job_id="broken") or worker.events(
        "message.received"
    )
    assert max(int(str(line["receive_count"])) for line in received) == 3
    (letter,) = environment.aws.sqs.receive_message(QueueUrl=environment.queue.dlq_url)["Messages"]
    assert json.loads(letter["Body"]) == broken
    assert environment.messages() == 0
    assert environment.value("SELECT status FROM jobs.job WHERE key = 'broken'") == "FAILED"
    assert environment.value("SELECT status FROM jobs.job WHERE key = 'good'") == "SUCCEEDED"
    (mail,) = [
        one
        for one in environment.notify.received
        if at(json.loads(one.body), "template_id") == FAILED
    ]
    assert mail


def test_the_task_role_allows_every_call_that_the_worker_makes_and_no_other(
    deployed: Deployed, dev: Templates, tmp_path: Path
) -> None:
    environment = deployed.environment
    ExportWorld(environment.database_url, environment.aws, deployed.results_bucket).one_table_each(
        ("water",)
    )
    put_site(environment, f"{PREFIX}good/site.zip")
    put_broken_site(environment, "uploads/broken")
    environment.send(request("good", s3_input_key=f"{PREFIX}good/site.zip"))
    environment.send(request("broken", s3_input_key="uploads/broken/site.zip"))
    environment.send(
        {"jobType": "reference.load", "jobId": "load", "manifest_key": "2026-11/manifest.json"}
    )
    environment.send(scheduled(schemas=["water"]))
    record = tmp_path / "calls.jsonl"

    with running_worker(
        deployed.variables(), ("tests.fakes.recorded_worker", str(record), "run")
    ) as worker:
        worker.wait_until(lambda: environment.dead_letters() == 2, "dead letters")
        worker.wait_until(lambda: len(worker.events("message.deleted")) == 2, "deleted messages")

    _compare(record, deployed, dev, "RolesWorker", NO_CALLS)


def test_the_operators_role_is_enough_for_commands_about_messages_and_for_nothing_else(
    deployed: Deployed, dev: Templates, tmp_path: Path
) -> None:
    environment = deployed.environment
    for job_id in ("redriven", "dropped", "retried"):
        put_broken_site(environment, f"uploads/{job_id}")
        environment.send(request(job_id, s3_input_key=f"uploads/{job_id}/site.zip"))
    with environment.worker() as worker:
        worker.wait_until(lambda: environment.dead_letters() == 3, "dead letters")
    record = tmp_path / "calls.jsonl"

    for arguments in (
        ("dlq", "list"),
        ("dlq", "redrive", "redriven"),
        ("dlq", "drop", "dropped", "--reason", "no use"),
        ("jobs", "retry", "retried"),
        ("schedule", "send", "water.licence-updates", "--at", "2024-06-14T07:15:00Z"),
    ):
        _run(deployed, record, *arguments)

    assert environment.dead_letters() == 0
    assert environment.messages() == 3
    _compare(record, deployed, dev, "RolesOperator", {"rds-db:connect": NO_CALLS["rds-db:connect"]})


def test_the_workers_metrics_have_the_dimensions_that_alarms_name(
    deployed: Deployed, dev: Templates
) -> None:
    environment = deployed.environment
    put_site(environment, f"{PREFIX}good/site.zip")
    environment.send(request("good", s3_input_key=f"{PREFIX}good/site.zip"))

    with running_worker(deployed.variables()) as worker:
        worker.wait_for("message.deleted")
        written = worker.wait_until(lambda: _metrics(worker.lines), "metrics")

    watched = {
        (
            NAMESPACE,
            alarm.text("MetricName"),
            tuple(sorted(str(at(pair, "Name")) for pair in alarm.items("Dimensions"))),
        )
        for alarm in dev.every("CloudWatch::Alarm")
        if alarm["Namespace"] == NAMESPACE
    }
    names = {metric for _, metric, _ in written}
    compared = {one for one in watched if one[1] in names}
    assert {metric for _, metric, _ in compared} >= {
        "ConfigurationFault",
        "DeliveriesPendingAge",
        "JobsStranded",
    }
    assert compared <= written


def _deployable(file: Path) -> str:
    """The resources that moto can deploy, each as it is but for tags of keys, which it misreads."""
    resources = json.loads(file.read_text(encoding="utf-8"))["Resources"]
    kept = {name: one for name, one in resources.items() if one["Type"] in DEPLOYABLE}
    for one in kept.values():
        if one["Type"] == "AWS::KMS::Key":
            del one["Properties"]["Tags"]
    assert len(kept) == 7
    return json.dumps({"Resources": kept})


def _run(deployed: Deployed, record: Path, *arguments: str) -> None:
    """One command of an operator, recorded."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fakes.recorded_worker", str(record), *arguments],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], **deployed.variables()},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _compare(
    record: Path, deployed: Deployed, stage: Templates, role: str, no_calls: Mapping[str, str]
) -> None:
    """Every recorded call is granted to the role, and every grant was used or is no call."""
    granted = [
        (action, _physical(resource, deployed))
        for statement in policy(stage, role).values()
        for action in _listed(statement["Action"])
        for resource in _listed(statement["Resource"])
    ]
    asked = {_asked(json.loads(line)) for line in record.read_text().splitlines()}

    denied = {one for one in asked if not any(_allows(grant, one) for grant in granted)}
    assert denied == set()
    unused = {grant for grant in granted if not any(_allows(grant, one) for one in asked)}
    assert {action for action, _ in unused} == set(no_calls)


def _queues(aws: AwsEmulator) -> QueuePair:
    sqs = aws.sqs
    url, dlq_url = (
        sqs.get_queue_url(QueueName=f"nrf-worker-dev-{name}")["QueueUrl"]
        for name in ("jobs", "jobs-dlq")
    )
    arn, dlq_arn = (
        sqs.get_queue_attributes(QueueUrl=one, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        for one in (url, dlq_url)
    )
    return QueuePair(url, arn, dlq_url, dlq_arn)


def _empty(aws: AwsEmulator, bucket: str) -> None:
    s3 = aws.s3
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for one in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
            s3.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])


def _listed(value: object) -> list[str]:
    return [value] if isinstance(value, str) else [str(one) for one in _items(value)]


def _items(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


def _physical(resource: str, deployed: Deployed) -> str:
    """A resource of the policy as it is called in the emulator."""

    def arn(found: re.Match[str]) -> str:
        physical = deployed.resources[found[1]]
        if found[1].startswith("Buckets"):
            return f"arn:aws:s3:::{physical}"
        return f"arn:aws:sqs:{REGION}:{EMULATED_ACCOUNT}:{physical.rsplit('/', 1)[-1]}"

    return re.sub(r"\$\{data/(\w+)\.Arn\}", arn, resource)


def _asked(call: dict[str, str]) -> tuple[str, str]:
    """(action, resource) as IAM sees a call."""
    name = f"{call['service']}:{call['operation']}"
    action = ACTIONS.get(name, name)
    if "QueueUrl" in call:
        queue = call["QueueUrl"].rsplit("/", 1)[-1]
        return action, f"arn:aws:sqs:{REGION}:{EMULATED_ACCOUNT}:{queue}"
    key = f"/{call['Key']}" if "Key" in call else ""
    return action, f"arn:aws:s3:::{call['Bucket']}{key}"


def _allows(grant: tuple[str, str], asked: tuple[str, str]) -> bool:
    return grant[0] == asked[0] and fnmatchcase(asked[1], grant[1])


def _metrics(lines: object) -> set[tuple[str, str, tuple[str, ...]]]:
    """(namespace, metric, names of dimensions) of every line with metrics, once all are there."""
    found = {
        (str(directive["Namespace"]), str(metric["Name"]), tuple(sorted(dimensions)))
        for line in _items(lines)
        if isinstance(line, dict) and "_aws" in line
        for directive in line["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
        for dimensions in directive["Dimensions"]
    }
    names = {name for _, name, _ in found}
    return found if {"Jobs", "JobsStranded", "ConfigurationFault"} <= names else set()
