"""What the soak has left behind, held against its plan and against the same work done in peace."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import psycopg
from psycopg.rows import class_row

from tests.fakes.environment import COMPLETED, FAILED, Environment
from tests.soak.calm import Calm
from tests.soak.plan import End, Plan, Planned

_JOBS = b"""
-- One row a job: its key, how it ended, and its results.
SELECT j.key, j.correlation_id AS trace, j.status::text, j.error_code AS code,
    (SELECT coalesce(jsonb_agg(r.payload), '[]') FROM jobs.result AS r WHERE r.job_id = j.id)
    AS results
FROM jobs.job AS j
"""
_DELIVERIES = b"""
-- One row a status of deliveries: how many there are, and how many of them are e-mails.
SELECT status::text, count(*), count(*) FILTER (WHERE kind LIKE 'notify.%')
FROM jobs.delivery
GROUP BY status
"""
_SHOWN = 10
_MESSAGE = "message:"
_CODE = re.compile(r"\((\w+)\)$")


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


@dataclass(frozen=True, slots=True)
class _Job:
    key: str
    trace: str
    status: str
    code: str | None
    results: list[object]

    @property
    def name(self) -> str:
        """As in the plan. A quote's key is its reference and a hash."""
        if self.key.startswith(_MESSAGE):
            return self.trace
        return self.key[:10] if self.key.startswith("NRF-") else self.key

    @property
    def end(self) -> str:
        return f"{self.status} {self.code or ''}, results: {len(self.results)}"


def audit(plan: Plan, environment: Environment, calm: Mapping[str, Calm]) -> Findings:
    """Compare queue, dead letters, ledger, backend and e-mails with what was planned."""
    findings = Findings()
    left = environment.messages()
    findings.expect_none("messages on the queue", [left] if left else [])
    dead = _audit_dead_letters(plan, environment, findings)
    with psycopg.connect(environment.database_url) as connection:
        jobs = connection.cursor(row_factory=class_row(_Job)).execute(_JOBS).fetchall()
        deliveries = {status: (n, mails) for status, n, mails in connection.execute(_DELIVERIES)}
    _audit_jobs(plan, jobs, dead, findings)
    results = {one.name: calm[one.request] for one in plan.computed if one.trace not in dead}
    refused = {one.name: calm[one.request] for one in plan.computed if one.kind == "unknown"}
    _audit_results(jobs, {**results, **refused}, findings)
    _audit_backend(plan, environment, results, findings)
    _audit_emails(plan, environment, jobs, dead, findings)
    _audit_deliveries(plan, deliveries, findings)
    return findings


def _audit_dead_letters(plan: Plan, environment: Environment, findings: Findings) -> frozenset[str]:
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
    return frozenset(dead)


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


def _audit_jobs(plan: Plan, jobs: list[_Job], dead: Collection[str], findings: Findings) -> None:
    findings.results = sum(len(job.results) for job in jobs)
    found = Counter((job.name, job.end) for job in jobs)
    wanted = Counter((one, _END_OF_DONE) for one in plan.quotes | plan.files)
    wanted.update((_refused(one), _end_of_refused(one)) for one in _planned_dead(plan, dead))
    done = {name for name, end in found if end == _END_OF_DONE}
    findings.lost = findings.expect_none("jobs lost", (plan.quotes | plan.files) - done)
    findings.duplicates += findings.expect_none(
        "jobs with more than one result", (job.name for job in jobs if len(job.results) > 1)
    )
    _expect_same("jobs", wanted, found, findings)


_END_OF_DONE = _Job("", "", "SUCCEEDED", None, [None]).end


def _planned_dead(plan: Plan, dead: Collection[str]) -> list[Planned]:
    """What was refused as it had to be."""
    return [
        one
        for one in plan.messages
        if one.end is End.DEAD or (one.end is End.EITHER and one.trace in dead)
    ]


def _refused(one: Planned) -> str:
    # What contradicts a job is not that job.
    return one.trace if one.end is End.EITHER else one.name


def _end_of_refused(one: Planned) -> str:
    # The backend refuses a result, which stays.
    results: list[object] = [None] if one.kind == "unknown" else []
    return _Job("", "", "FAILED", one.code, results).end


def _expect_same(
    what: str, wanted: Counter[tuple[str, str]], found: Counter[tuple[str, str]], to: Findings
) -> None:
    to.expect_none(f"{what} that were not to be", (" ".join(one) for one in found - wanted))
    to.expect_none(f"{what} missing", (" ".join(one) for one in wanted - found))


def _audit_results(jobs: list[_Job], calm: Mapping[str, Calm], findings: Findings) -> None:
    findings.expect_none(
        "stored results that differ from those computed in peace",
        (
            job.name
            for job in jobs
            for result in job.results
            if job.name in calm and result != calm[job.name].result
        ),
    )


def _audit_backend(
    plan: Plan, environment: Environment, calm: Mapping[str, Calm], findings: Findings
) -> None:
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
    wrong = [
        reference
        for reference, one in environment.backend.quotes.items()
        if reference in calm and one.body != calm[reference].patch
    ]
    wrong += [
        job
        for job, one in environment.backend.results.items()
        if job in calm
        and one.body != {"job_id": job, "status": "SUCCEEDED", "result": calm[job].result}
    ]
    findings.expect_none("results wrong at the backend", wrong)


def _audit_emails(
    plan: Plan,
    environment: Environment,
    jobs: list[_Job],
    dead: Collection[str],
    findings: Findings,
) -> None:
    """Each applicant is told once of the result, and support once of each refusal and its code."""
    sent = environment.notify.sent
    findings.emails = len(sent)
    times = Counter(email.reference for email in sent)
    findings.duplicates += findings.expect_none(
        "e-mails sent twice",
        (str(reference) for reference, number in times.items() if number > 1),
    )
    support = environment.variables()["GOVUK_NOTIFY_SUPPORT_EMAIL"]
    wanted = Counter((f"{job}@example.com", f"{COMPLETED} {job} ") for job in plan.files)
    wanted.update(
        (support, f"{FAILED} {_refused(one)} {one.code}") for one in _planned_dead(plan, dead)
    )
    names = {job.key.removeprefix(_MESSAGE): job.name for job in jobs}
    told: Counter[tuple[str, str]] = Counter()
    for email in sent:
        about = str(email.personalisation["job_id"])
        code = _CODE.search(str(email.personalisation.get("error_message", "")))
        name = names.get(about, about)
        told[email.to, f"{email.template_id} {name} {code[1] if code else ''}"] += 1
    untold = wanted - told
    findings.lost += sum(times for (to, _), times in untold.items() if to != support)
    _expect_same("e-mails", wanted, told, findings)


def _audit_deliveries(
    plan: Plan, deliveries: Mapping[str, tuple[int, int]], findings: Findings
) -> None:
    pending = deliveries.get("PENDING", (0, 0))[0]
    findings.expect_none("kinds of deliveries pending", [pending] if pending else [])
    rejected = deliveries.get("REJECTED", (0, 0))[0]
    if rejected != len(plan.unknown_quotes):
        findings.violations.append(
            f"{rejected} deliveries rejected for {len(plan.unknown_quotes)} unknown quotes"
        )
    delivered = deliveries.get("DELIVERED", (0, 0))[1]
    if delivered != findings.emails:
        findings.violations.append(json.dumps({"e-mails": findings.emails, "recorded": delivered}))
