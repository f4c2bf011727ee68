"""Alarms, saved queries and dashboard: they look at what the worker really writes."""

from __future__ import annotations

import json
import re

import pytest
from pydantic import JsonValue

from tests.fakes.templates import ACCOUNT, REPOSITORY, Resource, Templates, at

QUERIES = {
    "one-request",
    "failures-by-code",
    "slowest-jobs",
    "deliveries-pending",
    "jobs-by-data-version",
    "newt-jobs-by-data-version",
}
# name: (namespace, metric, dimensions without ServiceName of the worker, statistic, threshold)
OURS = "NRFImpactAssessmentWorker"
SQS, ECS, INSIGHTS = "AWS/SQS", "AWS/ECS", "ECS/ContainerInsights"
ALARMS: dict[str, tuple[str, str, str, float]] = {
    "dead-letters": (SQS, "ApproximateNumberOfMessagesVisible", "Maximum", 1),
    "unsent-schedules": (SQS, "ApproximateNumberOfMessagesVisible", "Maximum", 1),
    "stranded-messages": (OURS, "MessagesStranded", "Sum", 1),
    "stranded-jobs": (OURS, "JobsStranded", "Maximum", 1),
    "oldest-message": (SQS, "ApproximateAgeOfOldestMessage", "Maximum", 1800),
    "deliveries-pending": (OURS, "DeliveriesPendingAge", "Maximum", 3600),
    "backend-failures": (OURS, "DeliveryFailures", "Sum", 1),
    "configuration-fault": (OURS, "ConfigurationFault", "Maximum", 1),
    "start-refused": ("nrf-worker-dev-worker", "start-refused", "Sum", 1),
    "no-running-task": (INSIGHTS, "RunningTaskCount", "Minimum", 1),
    "health-failures": (OURS, "HealthFailures", "Sum", 1),
    "memory": (ECS, "MemoryUtilization", "Maximum", 85),
    "database-storage": ("AWS/RDS", "FreeStorageSpace", "Minimum", 5 * 1024**3),
}


def alarm(stage: Templates, name: str) -> Resource:
    return stage.only("CloudWatch::Alarm", AlarmName=f"nrf-worker-dev-{name}")


def dimensions(one: Resource) -> dict[str, JsonValue]:
    return {str(at(pair, "Name")): at(pair, "Value") for pair in one.items("Dimensions")}


def metrics_source() -> str:
    """What the worker's metrics are made of; every name in it is a literal."""
    folder = REPOSITORY / "worker" / "metrics"
    return "\n".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.py")))


def test_there_is_an_alarm_for_everything_that_somebody_has_to_know(dev: Templates) -> None:
    names = {one.text("AlarmName") for one in dev.every("CloudWatch::Alarm")}

    assert names == {f"nrf-worker-dev-{name}" for name in ALARMS}


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_looks_at_its_metric_and_tells_the_topic(dev: Templates, name: str) -> None:
    one = alarm(dev, name)
    topic = dev.only("SNS::Topic")

    seen = (one["Namespace"], one["MetricName"], one["Statistic"], one["Threshold"])
    assert seen == ALARMS[name]
    assert one["AlarmActions"] == [topic.ref]
    assert one["OKActions"] == [topic.ref]
    assert one["AlarmDescription"]
    below = name in ("no-running-task", "database-storage")
    assert one["ComparisonOperator"] == (
        "LessThanThreshold" if below else "GreaterThanOrEqualToThreshold"
    )


def test_silence_is_an_alarm_only_where_it_means_that_nobody_works(dev: Templates) -> None:
    alarms = {name: alarm(dev, name)["TreatMissingData"] for name in ALARMS}

    assert alarms.pop("no-running-task") == "breaching"
    assert set(alarms.values()) == {"notBreaching"}


@pytest.mark.parametrize("name", ["stranded-jobs", "deliveries-pending", "backend-failures"])
def test_an_alarm_on_what_is_seen_now_and_then_needs_no_unbroken_row(
    dev: Templates, name: str
) -> None:
    # A worker with a long job takes no stock, and a delivery that failed is not tried every minute.
    one = alarm(dev, name)

    assert one["Period"] == 300
    assert (one["DatapointsToAlarm"], one["EvaluationPeriods"]) == (3, 6)


@pytest.mark.parametrize("name", [name for name, one in ALARMS.items() if one[0] == OURS])
def test_alarms_on_the_workers_metrics_name_what_it_writes(dev: Templates, name: str) -> None:
    one = alarm(dev, name)
    extra = {"ErrorCode": "backend_unavailable"} if name == "backend-failures" else {}
    container = dev.only("ECS::TaskDefinition").items("ContainerDefinitions", 0, "Environment")

    assert dimensions(one) == {"ServiceName": "nrf-worker-dev-worker", **extra}
    assert {"Name": "AWS_EMF_SERVICE_NAME", "Value": "nrf-worker-dev-worker"} in container
    assert f'"{one["MetricName"]}"' in metrics_source()


def test_a_start_that_is_refused_is_counted_from_the_log(dev: Templates) -> None:
    count = dev.only("Logs::MetricFilter")
    log = dev.only("Logs::LogGroup", LogGroupName="/nrf-worker/dev/worker")

    assert count["LogGroupName"] == log.ref
    assert count["FilterPattern"] == (
        '{ ($.message = "worker.not_started") || ($.message = "worker.crashed") }'
    )
    assert count["MetricTransformations", 0, "MetricNamespace"] == "nrf-worker-dev-worker"
    source = (REPOSITORY / "worker" / "main.py").read_text(encoding="utf-8")
    assert '"worker.not_started"' in source
    assert '"worker.crashed"' in source


def test_the_topic_is_encrypted_and_people_are_subscribed(prod: Templates) -> None:
    topic = prod.only("SNS::Topic")
    (key,) = prod.every("KMS::Key")

    assert topic["KmsMasterKeyId"] == key.arn
    subscription = prod.only("SNS::Subscription")
    assert (subscription["Protocol"], subscription["TopicArn"]) == ("email", topic.ref)
    # CloudWatch sends through the key itself.
    principals = [at(statement, "Principal") for statement in key.items("KeyPolicy", "Statement")]
    assert {"Service": "cloudwatch.amazonaws.com"} in principals


def test_cloudwatch_may_publish_although_the_topic_has_a_policy_of_its_own(dev: Templates) -> None:
    topic = dev.only("SNS::Topic")
    statements = dev.only("SNS::TopicPolicy", Topics=[topic.ref]).items(
        "PolicyDocument", "Statement"
    )

    assert {
        "Action": "sns:Publish",
        "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Resource": topic.ref,
        "Sid": "AlarmsMayPublish",
    } in statements


def test_the_questions_that_operators_ask_are_saved(dev: Templates) -> None:
    log = dev.only("Logs::LogGroup", LogGroupName="/nrf-worker/dev/worker")
    saved = {one.text("Name"): one for one in dev.every("Logs::QueryDefinition")}

    assert set(saved) == {f"nrf-worker/dev/{name}" for name in QUERIES}
    for one in saved.values():
        assert one["LogGroupNames"] == [log.ref]


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_a_saved_query_names_events_and_fields_that_the_worker_logs(
    dev: Templates, name: str
) -> None:
    (one,) = [
        one for one in dev.every("Logs::QueryDefinition") if one.text("Name").endswith(f"/{name}")
    ]
    query = re.sub(r"^#.*$", "", one.text("QueryString"), flags=re.MULTILINE)
    source = "\n".join(
        file.read_text(encoding="utf-8") for file in (REPOSITORY / "worker").rglob("*.py")
    )
    made = set(re.findall(r"\bas (\w+)", query))
    words = set(re.findall(r"(?<![@\w.\"-])[a-z_]+(?![\w.(\"-])", query))
    events = set(re.findall(r'"([a-z_]+\.[a-z_]+)"', query))
    syntax = {"fields", "filter", "sort", "limit", "stats", "by", "as", "desc", "asc", "in", "and"}

    for event in events:
        assert f'"{event}"' in source, event
    for field in words - made - syntax - {"message"}:
        assert re.search(rf"\b{field}=|[\"']{field}[\"']", source), field


def test_the_dashboard_shows_the_alarms_and_the_workers_metrics(dev: Templates) -> None:
    body = dev.only("CloudWatch::Dashboard").text("DashboardBody")
    widgets = json.loads(body)["widgets"]
    shown = {
        (metric[0], metric[1])
        for widget in widgets
        for metric in widget["properties"].get("metrics", ())
    }

    (status,) = [widget for widget in widgets if widget["type"] == "alarm"]
    assert len(status["properties"]["alarms"]) == len(ALARMS)
    assert {
        (SQS, "ApproximateNumberOfMessagesVisible"),
        (SQS, "ApproximateAgeOfOldestMessage"),
        (OURS, "Jobs"),
        (OURS, "JobDuration"),
        (OURS, "QueueLatency"),
        (OURS, "Deliveries"),
        (INSIGHTS, "RunningTaskCount"),
        (ECS, "MemoryUtilization"),
    } <= shown
    for namespace, metric in shown:
        if namespace == OURS:
            assert f'"{metric}"' in metrics_source(), metric


def test_the_dashboard_shows_whatever_may_become_of_an_assessment(dev: Templates) -> None:
    body = dev.only("CloudWatch::Dashboard").text("DashboardBody")
    (shown,) = [
        widget["properties"]["metrics"]
        for widget in json.loads(body)["widgets"]
        if widget["properties"].get("title") == "Outcomes of assessments"
    ]
    outcomes = {metric[metric.index("Outcome") + 1] for metric in shown}
    written = re.findall(
        r'"(?:job|claim|lease|message)\.\w+": "(\w+)"',
        metrics_source(),
    )

    assert outcomes == set(written)
