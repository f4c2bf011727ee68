"""Queues, buckets, key, secret and log group, as they would be deployed."""

from __future__ import annotations

import pytest

from tests.fakes.templates import ACCOUNT, REGION, Resource, Templates

DAY_S = 24 * 3600


def queue(stage: Templates, name: str) -> Resource:
    return stage.only("SQS::Queue", QueueName=f"nrf-worker-dev-{name}")


@pytest.mark.parametrize("name", ["jobs", "jobs-dlq", "schedules-dlq"])
def test_every_queue_is_encrypted_and_refuses_plain_text(dev: Templates, name: str) -> None:
    one = queue(dev, name)
    policy = dev.only("SQS::QueuePolicy", Queues=[one.ref])

    assert one["SqsManagedSseEnabled"] is True
    assert policy["PolicyDocument", "Statement", 0] == {
        "Action": "sqs:*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Resource": one.arn,
    }


def test_the_queue_polls_long_and_hides_a_message_for_five_minutes(dev: Templates) -> None:
    jobs = queue(dev, "jobs")

    assert jobs["VisibilityTimeout"] == 300
    assert jobs["ReceiveMessageWaitTimeSeconds"] == 20
    assert jobs["MessageRetentionPeriod"] == 4 * DAY_S


def test_the_third_receive_is_the_last_and_the_dead_letter_queue_takes_no_other_queues_messages(
    dev: Templates,
) -> None:
    jobs, dead_letters = queue(dev, "jobs"), queue(dev, "jobs-dlq")

    assert jobs["RedrivePolicy"] == {
        "deadLetterTargetArn": dead_letters.arn,
        "maxReceiveCount": 3,
    }
    assert dead_letters["MessageRetentionPeriod"] == 14 * DAY_S
    assert dead_letters["RedriveAllowPolicy"] == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [f"arn:aws:sqs:{REGION}:{ACCOUNT}:nrf-worker-dev-jobs"],
    }


def test_topics_with_quotes_are_subscribed_and_may_send(private: Templates) -> None:
    topic = "arn:aws:sns:eu-west-2:444455556666:nrf-quote-estimate-request"
    jobs = private.only("SQS::Queue", QueueName="nrf-worker-prod-jobs")
    subscription = private.only("SNS::Subscription", TopicArn=topic)

    assert (subscription["Protocol"], subscription["Endpoint"]) == ("sqs", jobs.arn)
    statements = private.only("SQS::QueuePolicy", Queues=[jobs.ref]).items(
        "PolicyDocument", "Statement"
    )
    assert {
        "Action": "sqs:SendMessage",
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Resource": jobs.arn,
    } in statements


def test_buckets_are_private_encrypted_versioned_and_tidy(dev: Templates) -> None:
    buckets = dev.every("S3::Bucket")

    assert len(buckets) == 2
    for bucket in buckets:
        assert bucket["PublicAccessBlockConfiguration"] == {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        }
        assert bucket.has("BucketEncryption")
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert bucket["LifecycleConfiguration", "Rules", 0, "AbortIncompleteMultipartUpload"] == {
            "DaysAfterInitiation": 1
        }
        statements = dev.only("S3::BucketPolicy", Bucket=bucket.ref).items(
            "PolicyDocument", "Statement"
        )
        assert [statement["Effect"] for statement in statements if isinstance(statement, dict)] == [
            "Deny",
            "Deny",
        ]


def test_a_stage_whose_jobs_write_nothing_has_no_results_bucket(private: Templates) -> None:
    (reference,) = private.every("S3::Bucket")

    assert "Reference" in reference.name


def test_the_log_group_is_encrypted_with_a_key_that_rotates(dev: Templates) -> None:
    (key,) = dev.every("KMS::Key")
    log = dev.only("Logs::LogGroup", LogGroupName="/nrf-worker/dev/worker")

    assert key["EnableKeyRotation"] is True
    assert (log["KmsKeyId"], log["RetentionInDays"]) == (key.arn, 30)


def test_production_keeps_its_data_when_its_stack_goes(prod: Templates, dev: Templates) -> None:
    kept = ("SQS::Queue", "S3::Bucket", "KMS::Key", "Logs::LogGroup", "SecretsManager::Secret")

    def removal(stage: Templates) -> set[object]:
        return {
            one.attributes["DeletionPolicy"]
            for kind in kept
            for one in stage.every(kind)
            if one.stack == "data" and isinstance(one.attributes, dict)
        }

    assert removal(prod) == {"Retain"}
    assert removal(dev) == {"Delete"}


def test_the_secret_is_made_unless_there_is_one(dev: Templates, private: Templates) -> None:
    (secret,) = [one for one in dev.every("SecretsManager::Secret") if one.stack == "data"]

    assert secret["Name"] == "nrf-worker-dev-worker"
    assert private.every("SecretsManager::Secret") == []
