"""The configuration of a stage: every key that its YAML files may have, and what it may be."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from infra.config.limits import CPU_MEMORY, MAX_STOP_TIMEOUT_S, SHUTDOWN_MARGIN_S

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,39}$")]
Bucket = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
Arn = Annotated[str, StringConstraints(pattern=r"^arn:aws[a-z-]*:[a-z0-9-]+:[^:]*:[^:]*:.+$")]
HttpsUrl = Annotated[str, StringConstraints(pattern=r"^https://[^\s/]+(/\S*)?$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Uuid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
# Text, since YAML reads an unquoted 10:50 as the number 650.
LocalTime = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]


class Section(BaseModel):
    """A mapping of the YAML files; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NewNetwork(Section):
    """A VPC of the stage's own, with a public and a private subnet in each zone."""

    cidr: str
    nat_gateways: int = Field(ge=1)


class ExistingNetwork(Section):
    """A VPC that somebody else looks after; one private subnet for each availability zone."""

    vpc_id: Annotated[str, StringConstraints(pattern=r"^vpc-[0-9a-f]+$")]
    private_subnet_ids: tuple[
        Annotated[str, StringConstraints(pattern=r"^subnet-[0-9a-f]+$")], ...
    ] = Field(min_length=2)


class Network(Section):
    """Where the tasks run: exactly one of ``create`` and ``existing``."""

    availability_zones: tuple[str, ...] = Field(min_length=2)
    create: NewNetwork | None = None
    existing: ExistingNetwork | None = None
    # HTTPS to AWS, the backend and Notify; a proxy needs its own port here.
    egress_ports: tuple[Annotated[int, Field(ge=1, le=65_535)], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_network(self) -> Self:
        if (self.create is None) == (self.existing is None):
            raise ValueError("exactly one of create and existing is needed; set the other to null")
        if self.existing and len(self.existing.private_subnet_ids) != len(self.availability_zones):
            raise ValueError("private_subnet_ids needs one subnet for each availability zone")
        return self


class Image(Section):
    """The worker's image in ECR; a moving tag would make two deployments of one template differ."""

    repository: str = Field(min_length=2)
    tag: Annotated[str, StringConstraints(pattern=r"^[\w][\w.-]{0,127}$")]

    @model_validator(mode="after")
    def _fixed_tag(self) -> Self:
        if self.tag == "latest":
            raise ValueError("tag has to name one version, not latest")
        return self


class Service(Section):
    """The task and its service; memory and disk in MiB and GiB, times in seconds."""

    job_types: tuple[str, ...] = Field(min_length=1)
    cpu: int
    memory_mib: int
    ephemeral_storage_gib: int = Field(ge=21, le=200)
    user: Annotated[str, StringConstraints(pattern=r"^[1-9]\d*:[1-9]\d*$")]
    scratch_path: Annotated[str, StringConstraints(pattern=r"^/[a-z0-9/_-]+$")]
    # The process ends after a job that leaves it above this; ECS starts another.
    max_rss_mb: int = Field(ge=256)
    # What the child process that opens users' files may take beside the worker.
    boundary_memory_mb: int = Field(ge=128)
    graceful_shutdown_seconds: int = Field(ge=1)
    stop_timeout_seconds: int = Field(ge=2, le=MAX_STOP_TIMEOUT_S)
    health_port: int = Field(ge=1024, le=65_535)
    # Time for the first start: imports, the first connections, the reference layers' versions.
    health_start_period_seconds: int = Field(ge=0, le=300)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.memory_mib not in CPU_MEMORY.get(self.cpu, ()):
            raise ValueError(f"Fargate has no task of cpu {self.cpu} and {self.memory_mib} MiB")
        if self.max_rss_mb + self.boundary_memory_mb > self.memory_mib:
            raise ValueError("max_rss_mb and boundary_memory_mb do not fit into memory_mib")
        if self.graceful_shutdown_seconds + SHUTDOWN_MARGIN_S > self.stop_timeout_seconds:
            raise ValueError(
                f"stop_timeout_seconds has to be {SHUTDOWN_MARGIN_S} s longer than"
                " graceful_shutdown_seconds: ECS kills what has not stopped by then"
            )
        return self


class Scaling(Section):
    """How many tasks: so many that each has about ``backlog_per_task`` waiting messages.

    None at all, for the first deployment or to drain the service, is min_tasks and max_tasks 0.
    """

    min_tasks: int = Field(ge=0)
    max_tasks: int = Field(ge=0)
    backlog_per_task: int = Field(ge=1)
    scale_out_cooldown_seconds: int = Field(ge=0)
    scale_in_cooldown_seconds: int = Field(ge=0)

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.min_tasks > self.max_tasks:
            raise ValueError("min_tasks is above max_tasks")
        return self


class Queue(Section):
    """The queue and its dead-letter queue; times in seconds and days."""

    visibility_timeout_seconds: int = Field(ge=65, le=43_200)
    wait_time_seconds: int = Field(ge=1, le=20)
    retention_days: int = Field(ge=1, le=14)
    dead_letter_retention_days: int = Field(ge=1, le=14)
    max_receive_count: int = Field(ge=1, le=1000)
    # Topics that may put quotes on the queue, each subscribed to it.
    quote_topics: tuple[Arn, ...] = ()

    @model_validator(mode="after")
    def _retention(self) -> Self:
        # A message keeps its age when it moves to the dead-letter queue.
        if self.dead_letter_retention_days <= self.retention_days:
            raise ValueError("dead_letter_retention_days has to be longer than retention_days")
        return self


class InputBucket(Section):
    """Where users' files are uploaded: another service's bucket, of which we read one prefix."""

    name: Bucket
    prefix: Annotated[str, StringConstraints(pattern=r"^[^/*?][^*?]*/$")]
    # The key that the bucket is encrypted with, unless that is S3's own.
    kms_key: Arn | None = None


class Buckets(Section):
    """Our own buckets; times in days."""

    results_expire_days: int = Field(ge=1)
    noncurrent_expire_days: int = Field(ge=1)


class NewDatabase(Section):
    """RDS for PostgreSQL of the stage's own; storage in GiB."""

    instance_type: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+\.[a-z0-9]+$")]
    storage_gib: int = Field(ge=20)
    max_storage_gib: int = Field(ge=20)
    multi_az: bool
    backup_retention_days: int = Field(ge=1, le=35)


class ExistingDatabase(Section):
    """A PostgreSQL server with PostGIS that is already there, reached through a security group."""

    host: str = Field(min_length=1)
    security_group_id: Annotated[str, StringConstraints(pattern=r"^sg-[0-9a-f]+$")]
    # db-ABC…, needed for IAM authentication.
    resource_id: Annotated[str, StringConstraints(pattern=r"^(db|prx|cluster)-\w+$")] | None = None
    # A secret with username and password, needed for password authentication.
    secret_arn: Arn | None = None
    # The key that this secret is encrypted with, unless that is Secrets Manager's own.
    secret_kms_key: Arn | None = None

    @model_validator(mode="after")
    def _key_of_the_secret(self) -> Self:
        if self.secret_kms_key is not None and self.secret_arn is None:
            raise ValueError("secret_kms_key belongs to secret_arn")
        return self


class Database(Section):
    """PostGIS: exactly one of ``create`` and ``existing``, with IAM tokens or a password."""

    port: int = Field(ge=1, le=65_535)
    name: Name
    user: Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*$")]
    authentication: Literal["iam", "password"]
    create: NewDatabase | None = None
    existing: ExistingDatabase | None = None

    @model_validator(mode="after")
    def _one_database(self) -> Self:
        if (self.create is None) == (self.existing is None):
            raise ValueError("exactly one of create and existing is needed; set the other to null")
        if self.existing is not None:
            if self.authentication == "iam" and self.existing.resource_id is None:
                raise ValueError("IAM authentication needs existing.resource_id")
            if self.authentication == "password" and self.existing.secret_arn is None:
                raise ValueError("password authentication needs existing.secret_arn")
        elif self.authentication == "password":
            raise ValueError(
                "authentication has to be iam with create: the one password that RDS makes is that"
                " of its master user, whom the worker must not be"
            )
        return self


class Secret(Section):
    """The worker's secret in Secrets Manager: a JSON object with these variables as its keys.

    Without an ARN it is made, and somebody has to fill it in before the service can start.
    """

    arn: Arn | None = None
    # The key that the secret of this ARN is encrypted with, unless that is Secrets Manager's own.
    kms_key: Arn | None = None
    variables: tuple[Variable, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _key_of_theirs(self) -> Self:
        if self.kms_key is not None and self.arn is None:
            raise ValueError("kms_key belongs to arn: a secret that is made here has our own key")
        return self


class Backend(Section):
    """The service that gets the results."""

    base_url: HttpsUrl


class Notify(Section):
    """GOV.UK Notify: templates, and whom to write to."""

    template_job_completed: Uuid
    template_job_failed: Uuid
    support_email: Email
    results_base_url: HttpsUrl


class Schedule(Section):
    """A message that is put on the queue every day at a local time."""

    job_type: str
    at: LocalTime


class Schedules(Section):
    """What runs every day, by name, and in which time zone."""

    time_zone: str
    jobs: dict[Name, Schedule]


class Alarms(Section):
    """When somebody is told; ages in seconds, memory in per cent of the task's."""

    emails: tuple[Email, ...] = ()
    oldest_message_seconds: int = Field(ge=60)
    deliveries_pending_seconds: int = Field(ge=60)
    backend_failures: int = Field(ge=1)
    memory_percent: int = Field(ge=1, le=100)


class Logs(Section):
    """How long logs are kept."""

    retention_days: Literal[7, 14, 30, 60, 90, 180, 365, 400, 545, 731]
    level: Literal["debug", "info", "warning", "error"]


class StageConfig(Section):
    """Everything that a stage is made of."""

    project: Name
    environment: Literal["infra-dev", "management", "dev", "test", "perf-test", "ext-test", "prod"]
    region: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}-[a-z]+-\d$")]
    account: Annotated[str, StringConstraints(pattern=r"^\d{12}$")] | None = None
    # Data outlives its stack, and the stack refuses to be deleted.
    keep_data: bool
    network: Network
    image: Image
    service: Service
    scaling: Scaling
    queue: Queue
    input_bucket: InputBucket
    buckets: Buckets
    secret: Secret
    database: Database
    backend: Backend
    notify: Notify
    schedules: Schedules
    alarms: Alarms
    logs: Logs
    # Other settings of the worker, as .env.example lists them.
    variables: dict[Variable, str] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        twice = sorted(set(self.variables) & set(self.secret.variables))
        if twice:
            raise ValueError(f"in variables and in secret.variables: {', '.join(twice)}")
        return self

    @model_validator(mode="after")
    def _known_jobs(self) -> Self:
        for name, schedule in self.schedules.jobs.items():
            if schedule.job_type not in self.service.job_types:
                raise ValueError(
                    f"schedules.jobs.{name}: {schedule.job_type} is not in service.job_types"
                )
        return self
