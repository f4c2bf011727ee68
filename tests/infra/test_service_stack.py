"""The task and its service: what it may write, see, be told and do, and how many there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.fakes.templates import ACCOUNT, REGION, REPOSITORY, Templates, at, templates_of
from tests.fakes.worker_task import CONTAINER, policy, secrets, task, variables
from worker.settings import KNOWN_JOB_TYPES, Settings

# What the container is told that is no setting of the worker.
NOT_SETTINGS = {"TMPDIR", "AWS_REGION", "HTTP_PROXY"}


def test_the_container_is_unprivileged_and_writes_to_its_scratch_volume_only(
    dev: Templates,
) -> None:
    one = task(dev)

    assert one[*CONTAINER, "User"] == "10001:10001"
    assert one[*CONTAINER, "ReadonlyRootFilesystem"] is True
    assert one[*CONTAINER, "LinuxParameters"] == {"Capabilities": {"Drop": ["ALL"]}}
    assert one[*CONTAINER, "MountPoints"] == [
        {"ContainerPath": "/tmp", "ReadOnly": False, "SourceVolume": "scratch"}
    ]
    assert one["Volumes"] == [{"Name": "scratch"}]
    assert variables(dev)["TMPDIR"] == "/tmp"


def test_user_and_scratch_volume_are_those_of_the_image(dev: Templates) -> None:
    image = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    one = task(dev)

    assert f"\nUSER {one[*CONTAINER, 'User']}\n" in image
    # Fargate mounts an empty volume as root's alone unless the image says whose it is.
    assert f'\nVOLUME ["{one[*CONTAINER, "MountPoints", 0, "ContainerPath"]}"]\n' in image


def test_the_task_has_a_size_that_fargate_has(dev: Templates) -> None:
    one = task(dev)

    assert one["RequiresCompatibilities"] == ["FARGATE"]
    assert (one["Cpu"], one["Memory"]) == ("1024", "4096")
    assert one["EphemeralStorage"] == {"SizeInGiB": 40}
    assert one["RuntimePlatform"] == {
        "CpuArchitecture": "X86_64",
        "OperatingSystemFamily": "LINUX",
    }


def test_a_running_job_gets_its_time_before_ecs_kills_the_container(dev: Templates) -> None:
    stop_timeout = task(dev)[*CONTAINER, "StopTimeout"]

    assert stop_timeout == 120
    assert variables(dev)["WORKER_GRACEFUL_SHUTDOWN_TIMEOUT"] == "90"


def test_the_health_check_asks_the_health_process_without_a_shell_or_curl(dev: Templates) -> None:
    check = task(dev)[*CONTAINER, "HealthCheck"]

    assert at(check, "Command") == ["CMD", "nrf-worker", "health"]
    assert (at(check, "Interval"), at(check, "Retries")) == (30, 3)
    # The command that the image checks itself with, and that its tests run.
    image = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    assert 'CMD ["nrf-worker", "health"]' in image


def test_logs_go_to_the_stages_log_group(dev: Templates) -> None:
    log = dev.only("Logs::LogGroup", LogGroupName="/nrf-worker/dev/worker")

    assert task(dev)[*CONTAINER, "LogConfiguration"] == {
        "LogDriver": "awslogs",
        "Options": {
            "awslogs-group": log.ref,
            "awslogs-region": REGION,
            "awslogs-stream-prefix": "task",
            "max-buffer-size": "26214400b",
            "mode": "non-blocking",
        },
    }


@pytest.mark.parametrize("stage", ["dev", "prod", "private"])
def test_the_daemon_would_start_with_the_variables_of_the_task(
    stage: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    templates: Templates = request.getfixturevalue(stage)
    for name in [name for name in _environment() if name.isupper()]:
        monkeypatch.delenv(name, raising=False)
    # A queue's Ref is its URL.
    urls = {
        one.ref: f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{one['QueueName']}"
        for one in templates.every("SQS::Queue")
    }
    for name, value in variables(templates).items():
        monkeypatch.setenv(name, urls.get(value, value))
    for name in secrets(templates):
        monkeypatch.setenv(name, "5ecret")

    settings = Settings.load()

    assert settings.problems_for_run() == ()
    assert settings.worker.worker_graceful_shutdown_timeout == 90
    assert settings.metrics_on


@pytest.mark.parametrize("stage", ["dev", "prod", "private"])
def test_every_variable_is_one_that_the_worker_reads(
    stage: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    templates: Templates = request.getfixturevalue(stage)
    known = {name for name, _ in Settings.load().describe()}

    told = set(variables(templates)) | set(secrets(templates))

    assert told - known - NOT_SETTINGS == set()


def test_every_job_type_of_the_worker_is_on(dev: Templates) -> None:
    assert set(variables(dev)["WORKER_JOB_TYPES"].split(",")) == KNOWN_JOB_TYPES


def test_secrets_come_from_secrets_manager_and_nowhere_else(
    dev: Templates, private: Templates
) -> None:
    secret = next(one for one in dev.every("SecretsManager::Secret") if one.stack == "data")
    own = "arn:aws:secretsmanager:eu-west-2:444455556666:secret:nrf-worker-AbCdEf"
    login = "arn:aws:secretsmanager:eu-west-2:444455556666:secret:postgis-GhIjKl"

    assert secrets(dev) == {
        name: f"{secret.ref}:{name}::" for name in ("BACKEND_API_KEY", "GOVUK_NOTIFY_API_KEY")
    }
    assert secrets(private) == {
        "BACKEND_API_KEY": f"{own}:BACKEND_API_KEY::",
        "GOVUK_NOTIFY_API_KEY": f"{own}:GOVUK_NOTIFY_API_KEY::",
        "DB_USER": f"{login}:username::",
        "DB_PASSWORD": f"{login}:password::",
    }
    for stage in (dev, private):
        assert not [name for name in variables(stage) if re.search("KEY$|PASSWORD|SECRET", name)]


def test_ecs_may_decrypt_the_secrets_that_it_hands_to_a_task(
    dev: Templates, private: Templates
) -> None:
    (key,) = dev.every("KMS::Key")
    secret = next(one for one in dev.every("SecretsManager::Secret") if one.stack == "data")
    theirs = "arn:aws:kms:eu-west-2:444455556666:key/"
    through = {"StringEquals": {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}}

    # The key's policy names the account only, which leaves the role's own policy to say it.
    assert secret["KmsKeyId"] == key.arn
    assert policy(dev, "TaskExecutionRole")["DecryptSecrets"] == {
        "Sid": "DecryptSecrets",
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": key.arn,
        "Condition": through,
    }
    granted = policy(private, "TaskExecutionRole")["DecryptSecrets"]
    assert granted["Resource"] == [
        f"{theirs}1b2c3d4e-0000-4000-8000-000000000002",
        f"{theirs}1b2c3d4e-0000-4000-8000-000000000003",
    ]
    assert granted["Condition"] == through


def test_tasks_run_in_private_subnets_without_a_public_address(dev: Templates) -> None:
    network = dev.only("ECS::Service")["NetworkConfiguration", "AwsvpcConfiguration"]
    (group,) = [
        one
        for one in dev.every("EC2::SecurityGroup")
        if str(one["GroupDescription"]).startswith("The worker")
    ]
    subnets = at(network, "Subnets")

    assert at(network, "AssignPublicIp") == "DISABLED"
    assert at(network, "SecurityGroups") == [group.attribute("GroupId")]
    assert subnets == [one.ref for one in dev.every("EC2::Subnet") if "privateSubnet" in one.name]
    assert isinstance(subnets, list)
    assert len(subnets) == 2
    # Nobody asks the worker anything.
    assert not group.has("SecurityGroupIngress")


def test_an_existing_network_is_used_as_it_is(private: Templates) -> None:
    service = private.only("ECS::Service")

    assert private.every("EC2::VPC") == []
    assert service["NetworkConfiguration", "AwsvpcConfiguration", "Subnets"] == [
        "subnet-0a1b2c3d4e5f60718",
        "subnet-1a1b2c3d4e5f60718",
    ]


def test_the_service_replaces_tasks_before_it_ends_old_ones_and_rolls_back(dev: Templates) -> None:
    service = dev.only("ECS::Service")

    assert service["LaunchType"] == "FARGATE"
    deployment = service["DeploymentConfiguration",]
    assert at(deployment, "DeploymentCircuitBreaker") == {"Enable": True, "Rollback": True}
    assert (at(deployment, "MinimumHealthyPercent"), at(deployment, "MaximumPercent")) == (100, 200)
    assert service["EnableExecuteCommand"] is False
    # A number here would undo the scaling with each deployment.
    assert not service.has("DesiredCount")


def test_a_service_without_tasks_is_made_without_one(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # Where it is absent CloudFormation makes a service with one task. Before the migration that
    # one cannot start, and the circuit breaker would take back the task that migrates.
    overlay = tmp_path / "first"
    overlay.mkdir()
    (overlay / "dev.yaml").write_text("scaling: {min_tasks: 0, max_tasks: 0}")

    first = templates_of("dev", tmp_path_factory, overlay)

    assert first.only("ECS::Service")["DesiredCount"] == 0


def test_the_service_scales_with_the_messages_that_wait_for_each_task(
    dev: Templates, prod: Templates
) -> None:
    jobs = dev.only("SQS::Queue", QueueName="nrf-worker-dev-jobs")
    tracking = dev.only("ApplicationAutoScaling::ScalingPolicy")[
        "TargetTrackingScalingPolicyConfiguration",
    ]
    waiting, tasks, backlog = (
        at(tracking, "CustomizedMetricSpecification", "Metrics", number) for number in range(3)
    )

    assert at(waiting, "MetricStat", "Metric") == {
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateNumberOfMessagesVisible",
        "Dimensions": [{"Name": "QueueName", "Value": jobs.attribute("QueueName")}],
    }
    assert at(tasks, "MetricStat", "Metric", "MetricName") == "RunningTaskCount"
    assert at(backlog, "Expression") == ("waiting / IF(FILL(tasks, 0) > 0, FILL(tasks, 0), 1)")
    assert (at(waiting, "ReturnData"), at(tasks, "ReturnData")) == (False, False)
    assert at(backlog, "ReturnData") is True
    assert at(tracking, "TargetValue") == 10
    for stage, bounds in ((dev, (1, 4)), (prod, (2, 12))):
        target = stage.only("ApplicationAutoScaling::ScalableTarget")
        assert (target["MinCapacity"], target["MaxCapacity"]) == bounds
    # Who counts the running tasks.
    assert dev.only("ECS::Cluster")["ClusterSettings"] == [
        {"Name": "containerInsights", "Value": "enabled"}
    ]


def test_the_worker_may_do_what_it_does_and_nothing_else(dev: Templates) -> None:
    jobs = dev.only("SQS::Queue", QueueName="nrf-worker-dev-jobs")
    dead_letters = dev.only("SQS::Queue", QueueName="nrf-worker-dev-jobs-dlq")
    reference, results = dev.every("S3::Bucket")
    database = dev.only("RDS::DBInstance")
    user = f"{database.attribute('DbiResourceId')}/nrf_worker"
    cluster = dev.only("ECS::Cluster")
    uploads = "arn:aws:s3:::nrf-uploads.example"

    granted = {
        sid: (one["Action"], one["Resource"], one.get("Condition"))
        for sid, one in policy(dev, "RolesWorker").items()
    }

    assert granted == {
        "TakeMessages": (
            [
                "sqs:ReceiveMessage",
                "sqs:ChangeMessageVisibility",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
            ],
            jobs.arn,
            None,
        ),
        "CompareRetention": ("sqs:GetQueueAttributes", dead_letters.arn, None),
        "ReadUploads": ("s3:GetObject", f"{uploads}/uploads/*", None),
        "TellMissingUploads": (
            "s3:ListBucket",
            uploads,
            {"StringLike": {"s3:prefix": ["uploads/*"]}},
        ),
        "ReadReferenceData": ("s3:GetObject", f"{reference.arn}/*", None),
        "TellMissingReferenceData": ("s3:ListBucket", reference.arn, None),
        "WriteResults": (["s3:PutObject", "s3:AbortMultipartUpload"], f"{results.arn}/*", None),
        "FindUnfinishedResults": ("s3:ListBucketMultipartUploads", results.arn, None),
        "ConnectToDatabase": (
            "rds-db:connect",
            f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:{user}",
            None,
        ),
        "ProtectWhileBusy": (
            "ecs:UpdateTaskProtection",
            f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{cluster.ref}/*",
            None,
        ),
    }


def test_uploads_under_a_key_of_their_own_can_be_decrypted(private: Templates) -> None:
    granted = policy(private, "RolesWorker")

    assert granted["DecryptUploads"]["Action"] == "kms:Decrypt"
    assert granted["ReadUploads"]["Resource"] == "arn:aws:s3:::nrf-uploads/quotes/incoming/*"
    # With a password there is no IAM user of the database, without exports nothing is written.
    assert not {"ConnectToDatabase", "WriteResults", "FindUnfinishedResults"} & set(granted)


def test_only_ecs_in_this_account_takes_on_the_roles_of_tasks(dev: Templates) -> None:
    roles = [one for one in dev.every("IAM::Role") if one.name.startswith("Roles")]

    assert len(roles) == 2
    for role in roles:
        assert role["AssumeRolePolicyDocument", "Statement", 0] == {
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": ACCOUNT},
                "ArnLike": {"aws:SourceArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:*"},
            },
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
        }


def test_who_sorts_dead_letters_may_not_take_live_messages(dev: Templates) -> None:
    jobs = dev.only("SQS::Queue", QueueName="nrf-worker-dev-jobs")
    granted = policy(dev, "RolesOperator")

    assert set(granted) == {"SortDeadLetters", "SendAgain", "ConnectToDatabase"}
    assert granted["SendAgain"]["Resource"] == jobs.arn
    assert granted["SendAgain"]["Action"] == ["sqs:GetQueueAttributes", "sqs:SendMessage"]


def test_the_stack_says_how_to_run_a_command_in_the_cluster(dev: Templates) -> None:
    outputs = dev.outputs["service"]
    network = json.loads(dev.outputs["network"]["TaskNetwork"])["awsvpcConfiguration"]

    assert outputs["ClusterName"] == dev.only("ECS::Cluster").ref
    assert outputs["TaskFamily"] == task(dev)["Family"]
    assert network["assignPublicIp"] == "DISABLED"
    assert network["subnets"] == [
        one.ref for one in dev.every("EC2::Subnet") if "privateSubnet" in one.name
    ]
    (operator,) = [one for one in dev.every("IAM::Role") if one.name.startswith("RolesOperator")]
    assert outputs["OperatorRole"] == operator.arn


def _environment() -> list[str]:
    example = Path(REPOSITORY / ".env.example").read_text(encoding="utf-8")
    return re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=", example, re.MULTILINE)
