"""``worker jobs show`` tells everything that the ledger knows of a job, and nothing personal."""

from __future__ import annotations

import io

import psycopg
from rich.console import Console

from tests.fakes.ledger import LedgerBench, delivery, new_job
from worker.errors import PermanentError, TransientError
from worker.ledger.queries import find_jobs
from worker.reports.jobs_text import print_story


def told(bench: LedgerBench, wanted: str) -> str:
    written = io.StringIO()
    with psycopg.connect(bench.url) as connection:
        (story,) = find_jobs(connection, wanted)
    print_story(story, Console(file=written, width=160))
    return written.getvalue()


def lines_after(text: str, start: str) -> list[str]:
    """The line that starts so, and the indented ones that belong to it."""
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(start))
    last = first + 1
    while last < len(lines) and lines[last].startswith("  "):
        last += 1
    return lines[first:last]


def test_a_job_that_runs_is_told_with_its_messages_attempts_and_lease(database_url: str) -> None:
    bench = LedgerBench(database_url)
    slow = TransientError("s3_unavailable", "S3 does not answer.", detail="GetObject: 503")
    bench.ledger.retry_later(bench.claimed(), slow)
    bench.claimed(new_job(message_id="message-2"), worker_id="worker-b")
    bench.expire_leases()
    with psycopg.connect(database_url) as connection:
        bench.ledger.claim(
            connection,
            new_job(message_id="message-2"),
            worker_id="worker-c",
            lease_s=60,
            pinned={"nn_catchments": 4, "coefficient_layer": 2},
        )
    text = told(bench, "message-2")

    assert "job-1  impact-assessment  IN_PROGRESS" in text
    assert "correlation id trace-1" in text
    assert "attempts 3 of 3" in text
    assert [line.split()[1] for line in text.splitlines() if line.startswith("message ")] == [
        "message-1",
        "message-2",
    ]
    first, detail = lines_after(text, "attempt 1")
    assert "retry" in first
    assert "by worker-a  s3_unavailable" in first
    assert "GetObject: 503" in detail
    assert "expired" in lines_after(text, "attempt 2")[0]
    running, lease, versions = lines_after(text, "attempt 3")
    assert "running" in running
    assert "to -  by worker-c" in running
    assert lease.startswith("  lease held: renewed ")
    assert versions == "  reference data nn_catchments=4 coefficient_layer=2"
    assert "no result" in text
    assert "someone@example.com" not in text


def test_a_lease_that_has_passed_is_told(database_url: str) -> None:
    bench = LedgerBench(database_url)
    bench.claimed()
    bench.expire_leases()
    assert lines_after(told(bench, "job-1"), "attempt 1")[1].startswith("  lease passed:")


def test_deliveries_are_told_with_what_became_of_each(database_url: str) -> None:
    bench = LedgerBench(database_url)
    slots = ("made", "waiting", "refused")
    deliveries = tuple(delivery(slot, required=False) for slot in slots)
    bench.ledger.succeed(bench.claimed(), {"total": 1}, deliveries)
    made, waiting, refused = (bench.outbox.claim_next(skip=()) for _ in slots)
    assert made
    assert waiting
    assert refused
    bench.outbox.delivered(made, {"outcome": "delivered", "detail": "200", "id": None})
    down = TransientError("backend_unavailable", "It does not answer.", detail="503: later")
    bench.outbox.postponed(waiting, down, 600)
    bench.outbox.rejected(refused, PermanentError("notify_rejected", "No.", detail="400: bad"))
    text = told(bench, "trace-1")

    assert "result stored 20" in text
    head, delivered, _ = lines_after(text, "delivery made")
    assert "DELIVERED  attempts 1" in head
    assert delivered.startswith("  delivered 20")
    assert delivered.endswith("detail=200 outcome=delivered")
    head, next_try, error, reference = lines_after(text, "delivery waiting")
    assert "PENDING  attempts 1  backend_unavailable" in head
    assert "next try 20" in next_try
    assert next_try.endswith("not required")
    assert "503: later" in error
    assert reference == f"  reference {waiting.delivery.reference}"
    assert "notify_rejected" in lines_after(text, "delivery refused")[0]


def test_the_error_of_a_failed_job_is_told_in_a_sentence(database_url: str) -> None:
    bench = LedgerBench(database_url)
    bench.ledger.fail(bench.claimed(), PermanentError("geometry_invalid", "It crosses itself."), ())
    text = told(bench, "job-1")
    assert "FAILED" in text
    assert "error geometry_invalid: It crosses itself." in text


def test_the_result_of_a_run_is_told_in_figures(database_url: str) -> None:
    bench = LedgerBench(database_url)
    run = "water.licence-updates:2026-06-15T07:15:00Z"
    result = {
        "runDate": "2026-06-15",
        "count": 12,
        "added": [{"licenceRef": f"01/{number}"} for number in range(12)],
        "emails": {"M4": 2, "M5": 31},
        "skipped": [{"listId": 17, "code": "list_[without]_members"}],
        "started": [23, 29],
        "closed": [],
        "report": {"label": None, "layers": [1, 2]},
    }
    claim = bench.claimed(new_job(run, type="water.licence-updates"))
    bench.ledger.succeed(claim, result, ())

    assert lines_after(told(bench, run), "result stored")[1:] == [
        "  count 12",
        "  runDate 2026-06-15",
        "  added 12",
        "  closed 0",
        "  emails M4=2  M5=31",
        "  report label=-  layers=2",
        "  skipped 1",
        "    code=list_[without]_members  listId=17",
        "  started 2: 23, 29",
    ]


def test_an_assessments_document_is_not_told(database_url: str) -> None:
    bench = LedgerBench(database_url)
    bench.ledger.succeed(bench.claimed(), {"name": "Mill Lane"}, ())

    assert "Mill Lane" not in told(bench, "job-1")
