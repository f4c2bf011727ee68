"""The worker: does whatever the stored plans make due on a day.

For each list one transaction changes what has to change and stores the e-mails about it; then they
are sent. Read ``_handle`` from top to bottom.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from worker.clients.db import Connection
from worker.errors import ConfigurationFault, MissingInput, TransientError
from worker.lists import outbox, store, wording
from worker.lists.decisions import Decision, decide
from worker.lists.letters import Letters
from worker.lists.milestones import Milestone
from worker.lists.outbox import GivenUp
from worker.lists.plan import Plan
from worker.lists.sender import Sender, Tally
from worker.lists.situation import ReviewList
from worker.lists.walk import ListSkipped, Problem, Walk, walk
from worker.logs import logger

_log = logger(__name__)


@dataclass
class ReviewReport:
    """What a run has done; ``started`` and ``closed`` are ids of lists."""

    lists: int = 0
    started: list[int] = field(default_factory=list)
    items_started: int = 0
    closed: list[int] = field(default_factory=list)
    items_taken_off: int = 0
    given_up: int = 0
    forgotten: int = 0
    skipped: list[Problem] = field(default_factory=list)
    mails: Tally = field(default_factory=Tally)


class ReviewRun:
    """One run for ``today``; ``at`` is the moment that rows and events are given.

    ``connection`` is the run's own, in autocommit: it holds the locks, so that a run that has lost
    it can write nothing. ``checkpoint`` raises Interrupted when the run has to stop.
    """

    def __init__(
        self,
        connection: Connection,
        letters: Letters,
        sender: Sender,
        *,
        today: date,
        at: datetime,
        checkpoint: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._letters = letters
        self._sender = sender
        self._today = today
        self._at = at
        self._checkpoint = checkpoint
        self._report = ReviewReport(mails=sender.tally)

    def perform(self, only: Collection[int] | None, *, keep_days: int) -> ReviewReport:
        """Handle every list in review, or ``only`` these; forget e-mails after ``keep_days``.

        Raises TransientError once all lists have been tried: ``review_lists_failed`` if some could
        not be handled, ``review_emails_unsent`` (or Notify's own code, if it refuses our key) if
        e-mails are still to be sent.
        """
        store.use_tables(self._connection)
        ids = store.lists_in_review(self._connection, only)
        _log.info("review.run_started", run_date=str(self._today), lists=len(ids))
        done = walk(self._connection, ids, self._handle, self._checkpoint)
        self._report.lists = done.handled
        self._report.skipped = done.skipped
        self._report.forgotten = outbox.forget(
            self._connection, self._today - timedelta(days=keep_days)
        )
        mails = self._report.mails
        _log.info(
            "review.run_ended",
            lists=done.handled,
            lists_failed=len(done.failed),
            lists_skipped=len(done.skipped),
            emails=mails.sent.total(),
            emails_rejected=mails.rejected,
            emails_unsent=mails.unsent,
        )
        self._raise_for_leftovers(done)
        return self._report

    def _handle(self, list_id: int) -> None:
        with self._connection.transaction():
            self._decide_and_store(list_id)
        self._sender.send(self._connection, list_id)

    def _decide_and_store(self, list_id: int) -> None:
        store.lock_rows(self._connection, list_id, items=True)
        review = store.read_list(self._connection, list_id)
        if review is None:
            return
        if review.plan_problem is not None:
            raise ListSkipped("plan_invalid", f"The plan is not valid: {review.plan_problem}.")
        if review.plan is not None:
            if wording.plural(review.type) is None:
                raise ListSkipped("list_type_unknown", "No words are known for this type of list.")
            self._carry_out(review, review.plan, decide(review, self._today))
        self._give_up(list_id, outbox.expire(self._connection, list_id, self._today))

    def _carry_out(self, review: ReviewList, plan: Plan, decision: Decision) -> None:
        changed: frozenset[int] = frozenset()
        if decision.starts:
            changed = self._start(review, plan, decision)
        if decision.closes:
            changed = self._close(review, plan, decision)
        # What the database did not change after all is not written about either.
        untouched = frozenset((*decision.start, *decision.overdue)) - changed
        letters = [
            self._letters.write(
                mail,
                review,
                start=plan.dates.start,
                unpublish=plan.dates.unpublish,
                not_responded=decision.not_responded,
            )
            for mail in decision.mails
            if mail.item is None or mail.item.id not in untouched
        ]
        kept = outbox.store_letters(self._connection, review.id, plan.reference, letters)
        self._give_up(
            review.id,
            outbox.withdraw_others(self._connection, review.id, plan.reference, kept, self._today),
        )
        self._warn(review, decision)

    def _start(self, review: ReviewList, plan: Plan, decision: Decision) -> frozenset[int]:
        started = store.start_review(self._connection, review.id, plan, decision.start, self._at)
        self._report.started.append(review.id)
        self._report.items_started += len(started)
        _log.info(
            "review.started",
            list_id=review.id,
            review_reference=str(plan.reference),
            items=len(started),
            days_late=(self._today - plan.dates.start).days,
        )
        if not plan.eligible:
            _log.warning(
                "review.items_not_started",
                list_id=review.id,
                items=[],
                text="List item ids must be provided to update list items for list with id"
                f" {review.id}",
            )
        if decision.left_alone:
            ids = list(decision.left_alone)
            _log.warning(
                "review.items_not_started",
                list_id=review.id,
                items=ids,
                text=f"List items {ids} were not updated for annual review start",
            )
        return frozenset(started)

    def _close(self, review: ReviewList, plan: Plan, decision: Decision) -> frozenset[int]:
        overdue = store.end_review(self._connection, review.id, plan, decision.overdue, self._at)
        self._report.closed.append(review.id)
        self._report.items_taken_off += len(overdue)
        _log.info(
            "review.closed",
            list_id=review.id,
            review_reference=str(plan.reference),
            items_taken_off=list(overdue),
        )
        if plan.eligible and not review.in_review:
            # Nobody was asked, so nobody was taken off; the next review is a year away.
            _log.error("review.never_started", list_id=review.id, items=list(plan.eligible))
        return frozenset(overdue)

    def _warn(self, review: ReviewList, decision: Decision) -> None:
        for milestone in decision.no_users:
            _log.warning(
                "review.no_users",
                list_id=review.id,
                milestone=milestone.value,
                text=f"No users identified for List {review.id}",
            )
        if decision.no_address:
            _log.warning(
                "review.items_left_out", list_id=review.id, items=list(decision.no_address)
            )
        for lost in decision.lost:
            _log.warning(
                "review.milestone_lost",
                list_id=review.id,
                milestone=lost.milestone.value,
                providers=lost.providers,
            )

    def _give_up(self, list_id: int, mails: Iterable[GivenUp]) -> None:
        for mail in mails:
            self._report.given_up += 1
            _log.warning(
                "review.email_given_up",
                list_id=list_id,
                item_id=mail.item_id,
                milestone=mail.milestone,
                email_type=Milestone(mail.milestone).email_type,
                attempts=mail.attempts,
                window_passed=mail.window_passed,
            )

    def _raise_for_leftovers(self, done: Walk) -> None:
        done.raise_for_failures()
        left = self._report.mails.unsent
        if not left:
            return
        stopped = self._sender.stopped
        if isinstance(stopped, ConfigurationFault):
            # Assessments need not wait until Notify takes the key of the lists again.
            raise MissingInput(stopped.code, stopped.sentence, detail=stopped.detail)
        raise TransientError(
            "review_emails_unsent",
            f"{left} e-mails could not be sent yet.",
            detail="" if stopped is None else str(stopped),
            retry_after_s=stopped.retry_after_s if isinstance(stopped, TransientError) else None,
        )
