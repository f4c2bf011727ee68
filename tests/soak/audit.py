"""What the soak has left behind, held against its plan."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import psycopg

from tests.process.conftest import Environment
from tests.soak.plan import End, Plan

_JOBS = b"""
-- One row a job: its key, status, error code and number of results.
SELECT j.key, j.status::text, j.error_code,
    (SELECT count(*) FROM jobs.result AS r WHERE r.job_id = j.id)
FROM jobs.job AS j
"""
_DELIVERIES = b"""
-- One row a status of deliveries: how many there are, and how many of them are e-mails.
SELECT status::text, count(*), count(*) FILTER (WHERE kind LIKE 'notify.%')
FROM jobs.delivery
GROUP BY status
"""
_SHOWN = 10


@dataclass
class Findings:
    """Figures, and every promise that was not kept."""

    results: int = 0
    duplicates: int = 0
    lost: int = 0
    dead_letters: int = 0
    emails: int = 0
    violations: list[str] = field(default_factory=list)

    def expect_none(self, what: str, of: Iterable[object]) -> int:
        """Note what is there but should not be; returns how many."""
        found = sorted(map(str, of))
        if found:
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            self.violations.append(f"{len(found)} {what}: {', '.join(found[:_SHOWN])}{more}")
        return len(found)


def audit(plan: Plan, environment: Environment) -> Findings:
    """Compare queue, dead letters, ledger, backend and e-mails with what was planned."""
    findings = Findings()
    left = environment.messages()
    findings.expect_none("messages on the queue", [left] if left else [])
    _audit_dead_letters(plan, environment, findings)
    with psycopg.connect(environment.database_url) as connection:
        jobs = connection.execute(_JOBS).fetchall()
        deliveries = {status: (n, mails) for status, n, mails in connection.execute(_DELIVERIES)}
    _audit_jobs(plan, jobs, findings)
    _audit_backend(plan, environment, findings)
    _audit_emails(plan, environment, deliveries, findings)
    return findings


def _audit_dead_letters(plan: Plan, environment: Environment, findings: Findings) -> None:
    dead = _traces_of_dead_letters(environment)
    findings.dead_letters = dead.total()
    expected = {one.trace for one in plan.messages if one.end is End.DEAD}
    either = [one for one in plan.messages if one.end is End.EITHER]
    findings.expect_none("dead letters missing", expected - dead.keys())
    findings.expect_none(
        "dead letters too many", dead.keys() - expected - {one.trace for one in either}
    )
    findings.expect_none("dead letters twice", (one for one, times in dead.items() if times > 1))
    refused = Counter(one.job for one in either if one.trace in dead)
    findings.expect_none(
        "mismatches of which not exactly one was refused",
        {str(one.job) for one in either if refused[one.job] != 1},
    )


def _traces_of_dead_letters(environment: Environment) -> Counter[str]:
    found: Counter[str] = Counter()
    sqs = environment.sqs
    while True:
        answer = sqs.receive_message(
            QueueUrl=environment.queue.dlq_url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=3600,
            MessageAttributeNames=["CorrelationId"],
        )
        messages = answer.get("Messages", [])
        if not messages:
            return found
        for message in messages:
            found[message["MessageAttributes"]["CorrelationId"]["StringValue"]] += 1


def _audit_jobs(
    plan: Plan, jobs: list[tuple[str, str, str | None, int]], findings: Findings
) -> None:
    # A quote's key is its reference and a hash.
    by_name: dict[str, list[tuple[str, str | None, int]]] = {}
    for key, status, code, results in jobs:
        name = key[:10] if key.startswith("NRF-") else key
        by_name.setdefault(name, []).append((status, code, results))
        findings.results += results
    wanted = plan.quotes | plan.files
    done = {
        name
        for name, found in by_name.items()
        if any(status == "SUCCEEDED" and results for status, _, results in found)
    }
    findings.lost = findings.expect_none("jobs lost", wanted - done)
    findings.duplicates += findings.expect_none(
        "jobs with more than one result",
        (n for n, found in by_name.items() if sum(results for _, _, results in found) > 1),
    )
    poisoned = {
        name for name, found in by_name.items() if any(code == "job_poison" for _, code, _ in found)
    }
    findings.expect_none("poisoned jobs not refused", plan.poison - poisoned)
    findings.expect_none("jobs taken for poison", poisoned - plan.poison)
    findings.expect_none(
        "jobs open",
        (n for n, found in by_name.items() if {"PENDING", "IN_PROGRESS"} & {s for s, *_ in found}),
    )


def _audit_backend(plan: Plan, environment: Environment, findings: Findings) -> None:
    for stored, wanted in (
        (environment.backend.quotes, plan.quotes),
        (environment.backend.results, plan.files),
    ):
        findings.lost += findings.expect_none(
            "results the backend did not get", wanted - stored.keys()
        )
        findings.expect_none("results nobody asked for", stored.keys() - wanted)
        findings.duplicates += findings.expect_none(
            "results changed at the backend",
            (name for name, one in stored.items() if one.changes != 1),
        )


def _audit_emails(
    plan: Plan,
    environment: Environment,
    deliveries: dict[str, tuple[int, int]],
    findings: Findings,
) -> None:
    sent = environment.notify.sent
    findings.emails = len(sent)
    pending = deliveries.get("PENDING", (0, 0))[0]
    findings.expect_none("kinds of deliveries pending", [pending] if pending else [])
    times = Counter(email.reference for email in sent)
    findings.duplicates += findings.expect_none(
        "e-mails sent twice", (reference for reference, number in times.items() if number > 1)
    )
    recipients = Counter(email.to for email in sent)
    told = {f"{job}@example.com" for job in plan.files}
    findings.lost += findings.expect_none("applicants not told", told - recipients.keys())
    support = recipients[environment.variables()["GOVUK_NOTIFY_SUPPORT_EMAIL"]]
    if support != findings.dead_letters:
        findings.violations.append(
            f"{support} e-mails to support for {findings.dead_letters} dead letters"
        )
    delivered = deliveries.get("DELIVERED", (0, 0))[1]
    if delivered != len(sent):
        findings.violations.append(json.dumps({"e-mails": len(sent), "recorded": delivered}))
