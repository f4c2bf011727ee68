"""The batch: decides which lists enter review and stores a plan with each of them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import uuid4

import psycopg

from worker.clients.db import Connection, translated
from worker.errors import TransientError
from worker.lists import store
from worker.lists.entering import Entry, entry
from worker.lists.key_dates import OPENS_BEFORE_START
from worker.lists.situation import ReviewList
from worker.lists.walk import EVERY_LIST, ListSkipped, Problem, walk
from worker.logs import logger, redact

_log = logger(__name__)


@dataclass
class BatchReport:
    """What a batch has done, by the ids of lists; ``without_address`` has ids of entries."""

    lists: int = 0
    dated: list[int] = field(default_factory=list)
    planned: list[int] = field(default_factory=list)
    moved: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    without_address: list[int] = field(default_factory=list)
    skipped: list[Problem] = field(default_factory=list)


def run_batch(
    connection: Connection,
    *,
    today: date,
    at: datetime,
    only: Collection[int] | None,
    checkpoint: Callable[[], None],
) -> BatchReport:
    """Give first start dates and store plans for ``today``; ``only`` these lists if it is given.

    ``connection`` is one of the run's own, in autocommit; each list is a transaction. ``at`` is
    the moment that rows are given. Raises TransientError ``review_lists_failed`` once all lists
    have been tried if some could not be handled.
    """
    store.use_tables(connection)
    report = BatchReport()
    ids = store.lists_for_batch(connection, today + OPENS_BEFORE_START, only)
    _log.info("review.batch_started", run_date=str(today), lists=len(ids))

    def handle(list_id: int) -> None:
        with connection.transaction():
            _handle(connection, list_id, today, at, report)

    done = walk(connection, ids, handle, checkpoint)
    report.lists = done.handled
    report.skipped = done.skipped
    done.raise_for_failures()
    return report


def _handle(
    connection: Connection, list_id: int, today: date, at: datetime, report: BatchReport
) -> None:
    review = _read(connection, list_id)
    if review is None:
        return
    if review.plan_problem is not None:
        raise ListSkipped("plan_invalid", f"The plan is not valid: {review.plan_problem}.")
    decided = entry(review, today, uuid4())
    _write(connection, list_id, decided, at)
    _tell(review, decided, report)


def _read(connection: Connection, list_id: int) -> ReviewList | None:
    try:
        with translated():
            store.lock_rows(connection, list_id, items=False)
            return store.read_list(connection, list_id)
    except EVERY_LIST:
        raise
    except psycopg.Error as error:
        why = redact(str(error).partition("\n")[0])
        raise TransientError(
            "list_items_unreadable",
            f"Unable to retrieve List Items for Lists {list_id} {why}",
            detail=why,
        ) from error


def _write(connection: Connection, list_id: int, decided: Entry, at: datetime) -> None:
    if decided.first_start is not None:
        store.give_start(connection, list_id, decided.first_start, at)
    if decided.plan is not None:
        store.store_plan(connection, list_id, decided.plan, decided.moved_from, at)
    if decided.eligible is not None:
        store.store_eligible(connection, list_id, decided.eligible, at)


def _tell(review: ReviewList, decided: Entry, report: BatchReport) -> None:
    if decided.first_start is not None:
        report.dated.append(review.id)
        _log.info("review.start_given", list_id=review.id, start=str(decided.first_start))
    if decided.moved_from is not None and decided.plan is not None:
        report.moved.append(review.id)
        _log.warning(
            "review.start_moved",
            list_id=review.id,
            from_date=str(decided.moved_from),
            to_date=str(decided.plan.dates.start),
        )
    eligible = decided.eligible
    if decided.plan is not None:
        eligible = decided.plan.eligible
        report.planned.append(review.id)
        _log.info(
            "review.planned",
            list_id=review.id,
            review_reference=str(decided.plan.reference),
            start=str(decided.plan.dates.start),
            items=len(eligible),
        )
    elif eligible is not None:
        report.changed.append(review.id)
        _log.info("review.plan_changed", list_id=review.id, items=len(eligible))
    if eligible == ():
        _log.warning("review.no_eligible_items", list_id=review.id)
    if decided.without_address:
        report.without_address.extend(decided.without_address)
        _log.warning(
            "review.items_left_out", list_id=review.id, items=list(decided.without_address)
        )
