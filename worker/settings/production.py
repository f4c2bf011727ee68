"""What production refuses: addresses and connections that send secrets in plain text."""

from __future__ import annotations

import re
from urllib.parse import unquote

from worker.settings.concerns import (
    AwsSettings,
    BackendSettings,
    DatabaseSettings,
    NotifySettings,
    QueueSettings,
)

# Weaker than "require": libpq would go on without encryption.
_WEAK = frozenset({"disable", "allow", "prefer"})
_SSLMODE = re.compile(r"\bsslmode\s*=\s*'?([a-z-]+)")


def plain_text_problems(
    backend: BackendSettings,
    notify: NotifySettings,
    aws: AwsSettings,
    queue: QueueSettings,
    database: DatabaseSettings,
) -> tuple[str, ...]:
    """One line for each setting that would have data leave this host unencrypted."""
    addresses = {
        "BACKEND_BASE_URL": backend.backend_base_url,
        "GOVUK_NOTIFY_BASE_URL": notify.govuk_notify_base_url,
        "GOVUK_NOTIFY_RESULTS_BASE_URL": notify.govuk_notify_results_base_url,
        "AWS_ENDPOINT_URL": aws.aws_endpoint_url,
        # boto3 reads these two by itself.
        "AWS_ENDPOINT_URL_S3": aws.aws_endpoint_url_s3,
        "AWS_ENDPOINT_URL_SQS": aws.aws_endpoint_url_sqs,
        "SQS_QUEUE_URL": queue.sqs_queue_url,
        "SQS_DLQ_URL": queue.sqs_dlq_url,
    }
    return (
        *(
            f"{name} has to use https in production"
            for name, address in addresses.items()
            if address and not address.lower().startswith("https://")
        ),
        *_database_problems(database),
    )


def unencrypted_token_problem(database: DatabaseSettings) -> tuple[str, ...]:
    """An IAM token is a password: RDS takes it over TLS only, and no stage may send it without."""
    if database.db_iam_authentication and database.db_sslmode in _WEAK:
        return ("DB_IAM_AUTHENTICATION needs DB_SSLMODE require, verify-ca or verify-full",)
    return ()


def _database_problems(database: DatabaseSettings) -> tuple[str, ...]:
    urls = {
        "DATABASE_URL": database.database_url,
        "WATER_DATABASE_URL": database.water_database_url,
        "LISTS_DATABASE_URL": database.lists_database_url,
    }
    problems = [] if database.db_sslmode not in _WEAK else ["DB_SSLMODE"]
    for name, url in urls.items():
        said = _SSLMODE.search(unquote(url.get_secret_value())) if url is not None else None
        if said is not None and said[1] in _WEAK:
            problems.append(f"sslmode of {name}")
    return tuple(f"{name} has to be require or stronger in production" for name in problems)
