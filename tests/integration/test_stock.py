"""What waits in the ledger is counted for alarms without a look into any queue."""

from __future__ import annotations

import psycopg
import pytest

from tests.fakes.ledger import LedgerBench, connector, delivery, new_job
from worker.errors import PermanentError, TransientError
from worker.ledger.stock import Stock, take_stock

LIMIT_S = 3600.0


def stock(bench: LedgerBench) -> Stock:
    return take_stock(connector(bench.url), stranded_after_s=LIMIT_S)


def age(bench: LedgerBench, table: str, column: str, seconds: float) -> None:
    """As if what is there had been written so long ago."""
    with psycopg.connect(bench.url) as connection:
        connection.execute(
            f"UPDATE jobs.{table} SET {column} = {column} - interval '{seconds} s'".encode()
        )


def test_an_empty_ledger_has_nothing_that_waits(database_url: str) -> None:
    assert stock(LedgerBench(database_url)) == Stock(0, 0.0, 0)


def test_the_oldest_delivery_that_is_still_to_be_made_counts(database_url: str) -> None:
    bench = LedgerBench(database_url)
    bench.ledger.succeed(bench.claimed(), {}, (delivery("first"), delivery("second")))
    age(bench, "delivery", "created_at", 500)
    made = bench.outbox.claim_next()
    assert made is not None
    bench.outbox.delivered(made, {})
    other = new_job("job-2", message_id="message-2")
    bench.ledger.succeed(bench.claimed(other), {}, (delivery("young"),))
    counted = stock(bench)
    assert counted.deliveries_pending == 2
    assert counted.oldest_delivery_s == pytest.approx(500, abs=60)


def test_a_job_is_stranded_when_it_is_open_and_nobody_touches_it(database_url: str) -> None:
    bench = LedgerBench(database_url)
    later = TransientError("s3_unavailable", "S3 does not answer.")
    bench.ledger.retry_later(bench.claimed(), later)
    bench.claimed(new_job("runs", message_id="message-2"))
    failed = bench.claimed(new_job("failed", message_id="message-3"))
    bench.ledger.fail(failed, PermanentError("geometry_invalid", "No."), ())
    assert stock(bench).jobs_stranded == 0, "it waits for its backoff"
    age(bench, "job", "updated_at", LIMIT_S + 60)
    assert stock(bench).jobs_stranded == 1


def test_a_database_that_is_slow_does_not_keep_the_loop(database_url: str) -> None:
    with psycopg.connect(database_url) as blocking:
        blocking.execute("LOCK TABLE jobs.delivery IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(psycopg.errors.QueryCanceled):
            take_stock(connector(database_url), stranded_after_s=LIMIT_S, limit_s=0.2)
