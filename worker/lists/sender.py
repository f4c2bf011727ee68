"""Sends what the outbox holds for a list, one e-mail at a time, and never the same one twice.

Each try is claimed and committed before Notify is called. A try that was cut off between claim and
record is found by its claim, and Notify is asked for it by reference before it is sent again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum, auto
from typing import Protocol
from uuid import UUID

from worker.clients.db import Connection
from worker.clients.receipt import DeliveryReceipt
from worker.errors import ConfigurationFault, DeliveryRejected, TransientError, WorkerError
from worker.lists import outbox
from worker.lists.milestones import ABOUT_UNPUBLISHING, Milestone
from worker.lists.outbox import OpenMail
from worker.logs import logger

_log = logger(__name__)

_TRIES = 3
# Notify counts requests by the minute; a longer wait is left to a later run.
_LONGEST_WAIT_S = 60.0
# So many e-mails in a row that could not be sent mean that Notify is away, and not one address.
_AWAY_AFTER = 3


class Mailer(Protocol):
    """What sends an e-mail; see ``worker.clients.notify.NotifyClient``."""

    def send_email(
        self,
        template_id: str,
        to: str,
        personalisation: Mapping[str, str],
        *,
        reference: str,
        may_have_been_sent: bool = False,
    ) -> DeliveryReceipt: ...


class _Outcome(Enum):
    SENT = auto()
    SUPPRESSED = auto()
    REJECTED = auto()
    UNSENT = auto()


@dataclass
class Tally:
    """What became of the e-mails of one run; ``unsent`` ones a later run has to send."""

    sent: Counter[Milestone] = field(default_factory=Counter)
    rejected: int = 0
    suppressed: int = 0
    unsent: int = 0


class Sender:
    """Sends e-mails for one run, whose moment ``at`` events are given.

    ``settle_s``: how long a request to Notify may take at most. ``pause`` waits that many seconds;
    it and ``checkpoint`` raise Interrupted when the run has to stop. ``stopped`` is why the rest
    of the run sends nothing more.
    """

    def __init__(
        self,
        mailer: Mailer,
        *,
        today: date,
        at: datetime,
        settle_s: float,
        pause: Callable[[float], None],
        checkpoint: Callable[[], None],
    ) -> None:
        self._mailer = mailer
        self._today = today
        self._at = at
        self._settle_s = settle_s
        self._pause = pause
        self._checkpoint = checkpoint
        self._failures_in_a_row = 0
        self.tally = Tally()
        self.stopped: WorkerError | None = None

    def send(self, connection: Connection, list_id: int) -> None:
        """Try every e-mail of the list that is due; the caller has locked the list."""
        mails = outbox.open_mails(connection, list_id, self._today, settle_s=self._settle_s)
        if self.stopped is None:
            self._let_settle(list_id, max((mail.in_flight_s for mail in mails), default=0.0))
        unsent: set[UUID] = set()
        tried: dict[Milestone, list[_Outcome]] = {}
        for mail in mails:
            self._checkpoint()
            if self.stopped is not None:
                unsent.add(mail.id)
                continue
            outcome = self._deliver(connection, mail)
            tried.setdefault(mail.kind, []).append(outcome)
            if outcome is _Outcome.UNSENT:
                unsent.add(mail.id)
        with connection.transaction():
            # One of the staff has got it, so the others are not tried again.
            given_up = outbox.give_up_others(connection, list_id)
        self.tally.unsent += len(unsent - given_up)
        has_arrived = {mail.kind for mail in mails if mail.id in given_up}
        for milestone, outcomes in tried.items():
            if milestone in has_arrived:
                continue
            # One provider's address may be wrong; all of them at once are not.
            tells = milestone.to_post or len(outcomes) > 1
            if tells and not {_Outcome.SENT, _Outcome.SUPPRESSED} & set(outcomes):
                self._all_failed(list_id, milestone, len(outcomes))

    def _let_settle(self, list_id: int, seconds: float) -> None:
        """Wait until a try that was cut off has ended, so that Notify knows about it if we ask."""
        if seconds > 0:
            _log.warning("review.email_uncertain", list_id=list_id, wait_s=round(seconds, 1))
            self._pause(seconds)

    def _deliver(self, connection: Connection, mail: OpenMail) -> _Outcome:
        for attempt in range(1, _TRIES + 1):
            with connection.transaction():
                tries = outbox.claim(connection, mail)
            if tries is None:
                return _Outcome.SENT
            try:
                receipt = self._mailer.send_email(
                    mail.template_id,
                    mail.recipient,
                    mail.personalisation,
                    reference=str(mail.id),
                    may_have_been_sent=tries > 1,
                )
            except DeliveryRejected as error:
                self._failed(connection, mail, error, tries)
                self._failures_in_a_row = 0
                self.tally.rejected += 1
                return _Outcome.REJECTED
            except ConfigurationFault as fault:
                self._failed(connection, mail, fault, tries)
                self._stop(fault)
                return _Outcome.UNSENT
            except TransientError as error:
                self._failed(connection, mail, error, tries)
                wait_s = error.retry_after_s or 2.0 ** (attempt - 1)
                if wait_s > _LONGEST_WAIT_S:
                    self._stop(error)
                    return _Outcome.UNSENT
                if attempt < _TRIES:
                    self._pause(wait_s)
                else:
                    self._unsent(error)
            else:
                return self._taken(connection, mail, receipt, tries)
        return _Outcome.UNSENT

    def _taken(
        self, connection: Connection, mail: OpenMail, receipt: DeliveryReceipt, tries: int
    ) -> _Outcome:
        self._failures_in_a_row = 0
        about = _about(mail) | {"attempt": tries}
        if receipt.outcome == "suppressed":
            # Nobody got it, so nothing may say that somebody did.
            with connection.transaction():
                outbox.put_back(connection, mail, "suppressed")
            _log.info("review.email_suppressed", **about)
            self.tally.suppressed += 1
            return _Outcome.SUPPRESSED
        with connection.transaction():
            outbox.record_sent(connection, mail, receipt.remote_id, self._at)
        _log.info("review.email_sent", **about, outcome=receipt.outcome)
        self.tally.sent[mail.kind] += 1
        return _Outcome.SENT

    def _failed(
        self, connection: Connection, mail: OpenMail, error: WorkerError, tries: int
    ) -> None:
        with connection.transaction():
            outbox.put_back(connection, mail, error.code)
        _log.warning(
            "review.email_failed",
            **_about(mail),
            attempt=tries,
            error_code=error.code,
            error_detail=error.detail,
        )

    def _unsent(self, error: WorkerError) -> None:
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= _AWAY_AFTER:
            self._stop(error)

    def _stop(self, error: WorkerError) -> None:
        self.stopped = error
        _log.error("review.sending_stopped", error_code=error.code, error_detail=error.detail)

    def _all_failed(self, list_id: int, milestone: Milestone, recipients: int) -> None:
        phase = "unpublish" if milestone in ABOUT_UNPUBLISHING else "annual review start"
        _log.error(
            "review.milestone_failed",
            list_id=list_id,
            milestone=milestone.value,
            email_type=milestone.email_type,
            recipients=recipients,
            text=f"Unable to send annual review email to {milestone.audience} contacts for list"
            f" {list_id} {milestone.email_type} before {phase}",
        )


def _about(mail: OpenMail) -> dict[str, object]:
    """What a log line may say of an e-mail: everything but the address."""
    return {
        "list_id": mail.list_id,
        "item_id": mail.item_id,
        "milestone": mail.milestone,
        "review_reference": str(mail.reference),
        "email_id": str(mail.id),
    }
