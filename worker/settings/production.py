"""What production refuses: addresses and connections that send secrets in plain text."""

from __future__ import annotations

import re

from worker.settings.concerns import AwsSettings, BackendSettings, DatabaseSettings, NotifySettings

# Weaker than "require": libpq would go on without encryption.
_WEAK = frozenset({"disable", "allow", "prefer"})
_SSLMODE = re.compile(r"\bsslmode\s*=\s*'?([a-z-]+)")


def plain_text_problems(
    backend: BackendSettings,
    notify: NotifySettings,
    aws: AwsSettings,
    database: DatabaseSettings,
) -> tuple[str, ...]:
    """One line for each setting that would have data leave this host unencrypted."""
    addresses = {
        "BACKEND_BASE_URL": backend.backend_base_url,
        "GOVUK_NOTIFY_BASE_URL": notify.govuk_notify_base_url,
        "GOVUK_NOTIFY_RESULTS_BASE_URL": notify.govuk_notify_results_base_url,
        "AWS_ENDPOINT_URL": aws.aws_endpoint_url,
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
        said = _SSLMODE.search(url.get_secret_value()) if url is not None else None
        if said is not None and said[1] in _WEAK:
            problems.append(f"sslmode of {name}")
    return tuple(f"{name} has to be require or stronger in production" for name in problems)
