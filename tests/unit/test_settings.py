"""What the environment may say: every problem is told at once, by its variable, without values."""

from __future__ import annotations

import os

import pytest
from pydantic import ValidationError

from worker.clients import http
from worker.errors import EX_CONFIG, ConfigurationError
from worker.settings import (
    DELIVERY_CLAIM_S,
    KNOWN_JOB_TYPES,
    MAX_DELIVERY_TIMEOUT_S,
    HealthSettings,
    Settings,
)

COMPLETE = {
    "SQS_QUEUE_URL": "https://sqs.eu-west-2.amazonaws.com/000000000000/jobs",
    "DATABASE_URL": "postgresql://worker:hunter2@db/nrf",
    "S3_INPUT_BUCKET": "input",
    "S3_REFERENCE_BUCKET": "layers",
    "BACKEND_BASE_URL": "https://backend.example",
    "BACKEND_API_KEY": "hunter2",
    "GOVUK_NOTIFY_API_KEY": "hunter2",
    "GOVUK_NOTIFY_TEMPLATE_JOB_COMPLETED": "a",
    "GOVUK_NOTIFY_TEMPLATE_JOB_FAILED": "b",
    "GOVUK_NOTIFY_SUPPORT_EMAIL": "support@example.com",
    "GOVUK_NOTIFY_RESULTS_BASE_URL": "https://service.example",
}


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A complete environment, to change one thing in."""
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_an_empty_environment_has_the_documented_defaults() -> None:
    settings = Settings.load()
    assert settings.queue.sqs_wait_time_seconds == 20
    assert settings.queue.sqs_visibility_timeout == 300
    assert settings.queue.sqs_max_messages == 1
    assert settings.queue.sqs_max_body_bytes == 1_048_576
    assert settings.worker.worker_lease_seconds == 60
    assert settings.worker.renewal_interval_s == 20
    assert settings.worker.worker_job_timeout_seconds == 900
    assert settings.worker.worker_graceful_shutdown_timeout == 30
    assert settings.worker.retention_days == 90
    assert settings.health.health_port == 8085
    assert settings.aws.aws_region == "eu-west-2"


def test_a_complete_environment_is_enough_to_run(environment: pytest.MonkeyPatch) -> None:
    assert Settings.load().problems_for_run() == ()


@pytest.mark.parametrize("missing", COMPLETE)
def test_what_is_missing_is_named(environment: pytest.MonkeyPatch, missing: str) -> None:
    environment.delenv(missing)
    (problem,) = Settings.load().problems_for_run()
    assert problem.startswith(missing)
    assert problem.endswith("is required")


def test_a_variable_that_is_set_to_nothing_is_missing(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BACKEND_API_KEY", "")
    assert Settings.load().problems_for_run() == ("BACKEND_API_KEY is required",)


def test_everything_that_is_missing_is_told_at_once() -> None:
    assert len(Settings.load().problems_for_run()) == len(COMPLETE)


def test_a_database_may_be_given_in_parts(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DATABASE_URL")
    for name, value in {"DB_HOST": "db", "DB_NAME": "nrf", "DB_USER": "worker"}.items():
        assert Settings.load().problems_for_run()
        environment.setenv(name, value)
    assert Settings.load().problems_for_run() == ()


@pytest.mark.parametrize(
    ("job_type", "needless"),
    [
        ("impact-assessment", {"S3_REFERENCE_BUCKET"}),
        ("reference.load", {"S3_INPUT_BUCKET", "GOVUK_NOTIFY_TEMPLATE_JOB_COMPLETED"}),
    ],
)
def test_what_only_a_job_type_needs_is_required_only_with_it(
    environment: pytest.MonkeyPatch, job_type: str, needless: set[str]
) -> None:
    for name in needless:
        environment.delenv(name)
    environment.setenv("WORKER_JOB_TYPES", job_type)
    assert Settings.load().problems_for_run() == ()


def test_a_job_type_has_its_own_time_limit(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WORKER_JOB_TIMEOUT_SECONDS", "60")
    worker = Settings.load().worker
    assert worker.time_limit_s("impact-assessment") == 60
    assert worker.time_limit_s("reference.load") == 3600
    assert worker.time_limit_s("water.export") == 10_800
    assert worker.time_limit_s("water.time-limited") == 60
    assert worker.time_limit_s("lists.annual-review.worker") == 3600


def test_every_job_type_is_on_unless_the_environment_says_which() -> None:
    assert set(Settings.load().worker.worker_job_types) == KNOWN_JOB_TYPES


def test_a_domains_tables_are_in_the_database_unless_it_has_its_own(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("WATER_DATABASE_URL", "postgresql://water:hunter3@elsewhere/water")
    settings = Settings.load()

    assert settings.database.of("lists") is settings.database
    elsewhere = settings.database.of("water")
    assert elsewhere.database_url is not None
    assert "elsewhere" in elsewhere.database_url.get_secret_value()
    assert "hunter3" not in str(settings.describe())


def test_an_own_url_of_a_domain_is_not_asked_for_a_token(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DATABASE_URL")
    for name, value in {
        "DB_HOST": "db",
        "DB_NAME": "nrf",
        "DB_USER": "worker",
        "DB_IAM_AUTHENTICATION": "true",
        "WATER_DATABASE_URL": "postgresql://water:secret@elsewhere/water",
    }.items():
        environment.setenv(name, value)
    database = Settings.load().database

    assert database.of("lists").db_iam_authentication
    assert not database.of("water").db_iam_authentication


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"SQS_VISIBILITY_TIMEOUT": "64"}, "SQS_VISIBILITY_TIMEOUT (64 s)"),
        ({"WORKER_LEASE_SECONDS": "296"}, "WORKER_LEASE_SECONDS (296 s)"),
        ({"WORKER_PENDING_LIMIT_SECONDS": "43200"}, "WORKER_PENDING_LIMIT_SECONDS (43200 s)"),
        ({"WORKER_JOB_TYPES": "impact-assessment,tea.make"}, "unknown types: tea.make"),
        ({"BACKEND_BASE_URL": "ftp://backend"}, "BACKEND_BASE_URL"),
        ({"BACKEND_BASE_URL": "backend.example"}, "BACKEND_BASE_URL"),
        ({"ENVIRONMENT": "prod", "BACKEND_BASE_URL": "http://backend"}, "https in production"),
        ({"DB_IAM_AUTHENTICATION": "true"}, "DB_IAM_AUTHENTICATION needs DB_HOST"),
    ],
)
def test_settings_that_contradict_each_other_are_told(
    environment: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    (problem,) = Settings.load().problems_for_run()
    assert words in problem


def test_a_visibility_just_long_enough_for_the_lease_is_accepted(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("SQS_VISIBILITY_TIMEOUT", "65")
    assert Settings.load().problems_for_run() == ()


def test_no_job_types_at_all_is_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WORKER_JOB_TYPES", ",")
    (problem,) = Settings.load().problems_for_run()
    assert "WORKER_JOB_TYPES is empty" in problem


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SQS_WAIT_TIME_SECONDS", "21"),
        ("SQS_WAIT_TIME_SECONDS", "soon"),
        ("SQS_MAX_MESSAGES", "11"),
        ("SQS_VISIBILITY_TIMEOUT", "43201"),
        ("WORKER_LEASE_SECONDS", "0"),
        ("HEALTH_PORT", "70000"),
        ("DB_SSLMODE", "maybe"),
        ("LOG_LEVEL", "chatty"),
        ("BACKEND_PATCH_SCHEMA", "newest"),
        ("IAT_GREENSPACE_SHARE", "1.5"),
    ],
)
def test_a_bad_value_is_told_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        Settings.load()
    (problem,) = caught.value.problems
    assert problem.startswith(f"{name}: ")
    assert caught.value.exit_code == EX_CONFIG


def test_all_bad_values_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SQS_MAX_MESSAGES", "SQS_WAIT_TIME_SECONDS", "RETENTION_DAYS"):
        monkeypatch.setenv(name, "-1")
    with pytest.raises(ConfigurationError) as caught:
        Settings.load()
    assert len(caught.value.problems) == 3


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_INPUT_BUCKET", "first, second,")
    aws = Settings.load().aws
    assert aws.s3_input_bucket == ("first", "second")
    assert aws.default_input_bucket == "first"


def test_older_names_are_read_and_newer_ones_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_PORT", "8086")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert Settings.load().health.health_port == 8086
    assert Settings.load().aws.aws_region == "eu-west-1"
    monkeypatch.setenv("HEALTH_PORT", "8087")
    monkeypatch.setenv("AWS_REGION", "eu-west-2")
    assert Settings.load().health.health_port == 8087
    assert Settings.load().aws.aws_region == "eu-west-2"


def test_constants_of_the_method_have_a_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IAT_SUDS_MIN_DWELLINGS", "100")
    monkeypatch.setenv("WASTEWATER_FACTOR", "5")
    constants = Settings.load().nutrient
    assert constants.suds_min_dwellings == 100
    assert constants.wastewater_factor == 0.9


@pytest.mark.parametrize(
    "stage",
    ["local", "infra-dev", "management", "dev", "test", "perf-test", "ext-test", "prod"],
)
def test_only_prod_of_the_platforms_stages_is_production(
    environment: pytest.MonkeyPatch, stage: str
) -> None:
    environment.setenv("ENVIRONMENT", stage)
    assert Settings.load().runtime.is_production == (stage == "prod")


def test_a_stage_that_the_platform_does_not_have_is_refused(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("ENVIRONMENT", "production")
    with pytest.raises(ConfigurationError) as caught:
        Settings.load()
    (problem,) = caught.value.problems
    assert problem.startswith("ENVIRONMENT: ")


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("BACKEND_BASE_URL", "http://backend", "BACKEND_BASE_URL has to use https in production"),
        (
            "GOVUK_NOTIFY_BASE_URL",
            "http://notify",
            "GOVUK_NOTIFY_BASE_URL has to use https in production",
        ),
        (
            "GOVUK_NOTIFY_RESULTS_BASE_URL",
            "http://results",
            "GOVUK_NOTIFY_RESULTS_BASE_URL has to use https in production",
        ),
        (
            "AWS_ENDPOINT_URL",
            "http://localstack:4566",
            "AWS_ENDPOINT_URL has to use https in production",
        ),
        *(
            (name, "http://somewhere", f"{name} has to use https in production")
            for name in (
                "AWS_ENDPOINT_URL_S3",
                "AWS_ENDPOINT_URL_SQS",
                "SQS_DLQ_URL",
                "SQS_QUEUE_URL",
            )
        ),
        (
            "DATABASE_URL",
            "postgresql://worker@db/nrf?sslmode=%70refer",
            "sslmode of DATABASE_URL has to be require or stronger in production",
        ),
        ("DB_SSLMODE", "prefer", "DB_SSLMODE has to be require or stronger in production"),
        (
            "DATABASE_URL",
            "postgresql://worker:hunter2@db/nrf?sslmode=disable",
            "sslmode of DATABASE_URL has to be require or stronger in production",
        ),
        (
            "DATABASE_URL",
            "host=db user=worker dbname=nrf sslmode='allow'",
            "sslmode of DATABASE_URL has to be require or stronger in production",
        ),
    ],
)
def test_production_refuses_what_would_go_out_in_plain_text_and_other_stages_do_not(
    environment: pytest.MonkeyPatch, variable: str, value: str, problem: str
) -> None:
    environment.setenv(variable, value)
    assert Settings.load().problems_for_run() == ()
    environment.setenv("ENVIRONMENT", "prod")
    assert Settings.load().problems_for_run() == (problem,)


@pytest.mark.parametrize("sslmode", ["require", "verify-ca", "verify-full"])
def test_production_takes_an_encrypted_database(
    environment: pytest.MonkeyPatch, sslmode: str
) -> None:
    environment.setenv("ENVIRONMENT", "prod")
    environment.setenv("DATABASE_URL", f"postgresql://worker@db/nrf?sslmode={sslmode}")
    assert Settings.load().problems_for_run() == ()


def test_an_iam_token_is_never_sent_unencrypted(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DB_IAM_AUTHENTICATION", "true")
    environment.setenv("DB_HOST", "db")
    environment.setenv("DB_SSLMODE", "prefer")
    (problem,) = Settings.load().problems_for_run()
    assert "DB_SSLMODE" in problem


@pytest.mark.parametrize(
    "variable", ["ECS_CONTAINER_METADATA_URI", "ECS_CONTAINER_METADATA_URI_V4"]
)
def test_metrics_are_on_in_ecs_unless_switched_off_and_off_elsewhere(
    environment: pytest.MonkeyPatch, variable: str
) -> None:
    assert not Settings.load().metrics_on
    environment.setenv("ENABLE_METRICS", "true")
    assert Settings.load().metrics_on
    environment.setenv(variable, "http://169.254.170.2/v4/abc")
    environment.delenv("ENABLE_METRICS")
    assert Settings.load().runtime.in_ecs
    assert Settings.load().metrics_on
    environment.setenv("ENABLE_METRICS", "false")
    assert not Settings.load().metrics_on


@pytest.mark.parametrize("variable", ["SERVICE_VERSION", "GIT_HASH"])
def test_the_version_is_told_under_either_name(
    environment: pytest.MonkeyPatch, variable: str
) -> None:
    environment.setenv(variable, "abc1234")
    assert Settings.load().runtime.service_version == "abc1234"


def test_the_description_names_every_variable_and_shows_no_secret(
    environment: pytest.MonkeyPatch,
) -> None:
    rows = Settings.load().describe()
    described = dict(rows)
    assert len(described) == len(rows)
    assert set(COMPLETE) <= set(described)
    assert described["BACKEND_API_KEY"] == described["DATABASE_URL"] == "********"
    assert described["DB_HOST"] == "(not set)"
    assert described["SQS_WAIT_TIME_SECONDS"] == "20"
    assert described["IAT_WASTEWATER_FACTOR"] == "0.9"
    assert "hunter2" not in str(rows) + repr(Settings.load())


@pytest.mark.parametrize("variable", ["BACKEND_TIMEOUT_SECONDS", "GOVUK_NOTIFY_TIMEOUT_SECONDS"])
def test_a_request_that_could_outlast_the_claim_of_its_delivery_is_refused(
    environment: pytest.MonkeyPatch, variable: str
) -> None:
    environment.setenv(variable, "32.5")
    assert Settings.load().problems_for_run() == ()
    environment.setenv(variable, "32.6")
    with pytest.raises(ConfigurationError) as raised:
        Settings.load()
    assert raised.value.problems == (f"{variable}: Input should be less than or equal to 32.5",)


def test_all_tries_of_a_delivery_end_within_its_claim() -> None:
    last_try_at_s = http._GIVE_UP_AFTER_S + http._LONGEST_WAIT_S
    backend_s = last_try_at_s + http._CONNECT_TIMEOUT_S + MAX_DELIVERY_TIMEOUT_S
    looked_up_and_sent, reached_and_answered = 2, 2
    notify_s = looked_up_and_sent * reached_and_answered * MAX_DELIVERY_TIMEOUT_S
    assert max(backend_s, notify_s) <= DELIVERY_CLAIM_S


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        HealthSettings().health_port = 1  # type: ignore[misc]
