"""The worker's task: its container, its settings, and where each of them comes from."""

from __future__ import annotations

from aws_cdk import Duration, Size, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager

from infra.config.loading import InvalidConfig
from infra.stacks.data import Data
from infra.stacks.database import Database
from infra.stacks.permissions import Roles
from infra.stage import Stage

_SCRATCH = "scratch"
_LOG_BUFFER_MIB = 25
CONTAINER = "worker"


def task_definition(
    scope: Stack, stage: Stage, data: Data, database: Database, roles: Roles
) -> ecs.FargateTaskDefinition:
    """One container that may write to its scratch volume only."""
    service = stage.config.service
    image = stage.config.image
    task = ecs.FargateTaskDefinition(
        scope,
        "Task",
        family=stage.called("worker"),
        cpu=service.cpu,
        memory_limit_mib=service.memory_mib,
        ephemeral_storage_gib=service.ephemeral_storage_gib,
        runtime_platform=ecs.RuntimePlatform(
            cpu_architecture=ecs.CpuArchitecture.X86_64,
            operating_system_family=ecs.OperatingSystemFamily.LINUX,
        ),
        task_role=roles.worker,
        volumes=[ecs.Volume(name=_SCRATCH)],
    )
    container = task.add_container(
        CONTAINER,
        container_name=CONTAINER,
        image=ecs.ContainerImage.from_ecr_repository(
            ecr.Repository.from_repository_name(scope, "Images", image.repository), image.tag
        ),
        user=service.user,
        readonly_root_filesystem=True,
        stop_timeout=Duration.seconds(service.stop_timeout_seconds),
        health_check=ecs.HealthCheck(
            command=["CMD", "nrf-worker", "health"],
            interval=Duration.seconds(30),
            # A Python process starts for each question, on a CPU that a job may be using.
            timeout=Duration.seconds(15),
            retries=3,
            start_period=Duration.seconds(service.health_start_period_seconds),
        ),
        linux_parameters=_without_capabilities(scope),
        logging=ecs.LogDrivers.aws_logs(
            stream_prefix="task",
            log_group=data.log_group,
            # A job goes on while CloudWatch is away; lines beyond the buffer are lost.
            mode=ecs.AwsLogDriverMode.NON_BLOCKING,
            max_buffer_size=Size.mebibytes(_LOG_BUFFER_MIB),
        ),
        environment=_environment(stage, data, database, scope.region),
        secrets=_secrets(scope, stage, data, database),
    )
    _let_ecs_decrypt(task, stage, data)
    container.add_mount_points(
        ecs.MountPoint(container_path=service.scratch_path, source_volume=_SCRATCH, read_only=False)
    )
    return task


def _environment(stage: Stage, data: Data, database: Database, region: str) -> dict[str, str]:
    config = stage.config
    service = config.service
    optional: dict[str, str] = {}
    if data.buckets.results is not None:
        optional["S3_OUTPUT_BUCKET"] = data.buckets.results.bucket_name
    if database.secret_arn is None:
        optional |= {"DB_IAM_AUTHENTICATION": "true", "DB_USER": config.database.user}
    own = {
        "TMPDIR": service.scratch_path,
        "ENVIRONMENT": config.environment,
        "SERVICE_VERSION": config.image.tag,
        "LOG_LEVEL": config.logs.level,
        "LOG_FORMAT": "json",
        "ENABLE_METRICS": "true",
        "AWS_EMF_SERVICE_NAME": stage.metrics_service,
        "AWS_REGION": region,
        "SQS_QUEUE_URL": data.queues.jobs.queue_url,
        "SQS_DLQ_URL": data.queues.dead_letters.queue_url,
        "SQS_WAIT_TIME_SECONDS": str(config.queue.wait_time_seconds),
        "SQS_VISIBILITY_TIMEOUT": str(config.queue.visibility_timeout_seconds),
        "S3_INPUT_BUCKET": config.input_bucket.name,
        "S3_REFERENCE_BUCKET": data.buckets.reference.bucket_name,
        "WORKER_JOB_TYPES": ",".join(service.job_types),
        "WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": str(service.graceful_shutdown_seconds),
        "WORKER_MAX_RSS_MB": str(service.max_rss_mb),
        "BOUNDARY_MEMORY_MB": str(service.boundary_memory_mb),
        "HEALTH_PORT": str(service.health_port),
        # Nobody but the container itself asks.
        "HEALTH_HOST": "127.0.0.1",
        "DB_HOST": database.host,
        "DB_PORT": str(config.database.port),
        "DB_NAME": config.database.name,
        "BACKEND_BASE_URL": config.backend.base_url,
        "GOVUK_NOTIFY_TEMPLATE_JOB_COMPLETED": config.notify.template_job_completed,
        "GOVUK_NOTIFY_TEMPLATE_JOB_FAILED": config.notify.template_job_failed,
        "GOVUK_NOTIFY_SUPPORT_EMAIL": config.notify.support_email,
        "GOVUK_NOTIFY_RESULTS_BASE_URL": config.notify.results_base_url,
        **optional,
    }
    twice = sorted(set(own) & set(config.variables))
    if twice:
        # Whoever set them differently would part the worker from its alarms, queues or limits.
        raise InvalidConfig([f"variables.{name}: is set by the stack itself" for name in twice])
    return {**own, **config.variables}


def _secrets(scope: Stack, stage: Stage, data: Data, database: Database) -> dict[str, ecs.Secret]:
    # By ARN: granting access on the secret itself would write this stack's role into the policy of
    # its key, and so have the data's stack depend on this one. See ``_let_ecs_decrypt``.
    worker = secretsmanager.Secret.from_secret_complete_arn(
        scope, "WorkerSecret", data.secret.secret_arn
    )
    secrets = {
        name: ecs.Secret.from_secrets_manager(worker, name)
        for name in stage.config.secret.variables
    }
    if database.secret_arn is not None:
        login = secretsmanager.Secret.from_secret_complete_arn(
            scope, "DatabaseLogin", database.secret_arn
        )
        secrets["DB_USER"] = ecs.Secret.from_secrets_manager(login, "username")
        secrets["DB_PASSWORD"] = ecs.Secret.from_secrets_manager(login, "password")
    return secrets


def _let_ecs_decrypt(task: ecs.FargateTaskDefinition, stage: Stage, data: Data) -> None:
    """Let the execution role, which reads the secrets at a task's start, use their keys.

    A key's policy that names the account lets nobody in by itself: it leaves that to the policies
    of the account's roles.
    """
    existing = stage.config.database.existing
    keys = [data.secret_key_arn, existing.secret_kms_key if existing else None]
    known = [key for key in keys if key is not None]
    if not known:
        return
    task.add_to_execution_role_policy(
        iam.PolicyStatement(
            sid="DecryptSecrets",
            actions=["kms:Decrypt"],
            resources=known,
            conditions={
                "StringEquals": {
                    "kms:ViaService": f"secretsmanager.{stage.config.region}.amazonaws.com"
                }
            },
        )
    )


def _without_capabilities(scope: Stack) -> ecs.LinuxParameters:
    parameters = ecs.LinuxParameters(scope, "Linux")
    parameters.drop_capabilities(ecs.Capability.ALL)
    return parameters
