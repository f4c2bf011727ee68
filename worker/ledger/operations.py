"""What operators do to jobs: cancel, open again, and settle the messages that brought them.

Each is one transaction and is kept with the job, so that its story tells who did what.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from psycopg import Connection
from psycopg.rows import class_row

from worker.errors import CommandRefused
from worker.ledger.ledger import Connect
from worker.ledger.models import UNREADABLE, JobStatus, MessageJob, StoredJob
from worker.ledger.registration import remember_message, reopen
from worker.logs import redact
from worker.sqlfiles import statement

# A redrive waits for SQS while it holds its job. Whoever waits for the job in turn gives up after
# ten seconds, and a host that has gone would hold it for hours: the server ends that before.
_LET_GO = b"SET LOCAL idle_in_transaction_session_timeout = '8s'"


class Operations:
    """The ledger as operators use it; ``made_by`` is who does."""

    def __init__(self, connect: Connect, *, made_by: str) -> None:
        self._connect = connect
        self._made_by = made_by

    def job(self, key: str) -> StoredJob:
        """The job of this key, or of this quote's reference if only one has it.

        Raises CommandRefused ``job_not_found`` or ``job_ambiguous``.
        """
        with self._connect() as connection:
            cursor = connection.cursor(row_factory=class_row(StoredJob))
            jobs = cursor.execute(statement(__package__, "stored_job"), {"key": key}).fetchall()
        if not jobs:
            raise CommandRefused("job_not_found", f"The ledger knows no job {key}.")
        if len(jobs) > 1:
            keys = ", ".join(job.key for job in jobs)
            raise CommandRefused("job_ambiguous", f"{key} stands for several jobs: {keys}.")
        return jobs[0]

    def jobs_of(self, message_ids: Collection[str]) -> Mapping[str, MessageJob]:
        """The jobs of these messages, by message id; those that the ledger never saw are left out.

        An unreadable message has an entry of its own, of type UNREADABLE.
        """
        with self._connect() as connection:
            cursor = connection.cursor(row_factory=class_row(MessageJob))
            cursor.execute(
                statement(__package__, "jobs_of_messages"), {"message_ids": list(message_ids)}
            )
            return {job.message_id: job for job in cursor}

    def cancel(self, job: StoredJob, note: str | None) -> None:
        """CANCELLED, for good: a running attempt is closed under its worker.

        Raises CommandRefused ``job_finished`` if the job has ended.
        """
        with self._connect() as connection:
            status = _locked(connection, job.id)
            row = connection.execute(
                statement(__package__, "cancel_job"), {"job_id": job.id}
            ).fetchone()
            if row is None:
                raise CommandRefused("job_finished", f"Job {job.key} has ended: it is {status}.")
            self._note(connection, "cancel", job_id=job.id, note=note)

    def retry(self, job: StoredJob) -> JobStatus:
        """Open a failed job again; returns its status now.

        SUCCEEDED if its result is stored and was not erased from its deliveries: then only these
        are made again. An open job stays as it is. Raises CommandRefused ``job_finished`` if it
        succeeded or was cancelled.
        """
        with self._connect() as connection:
            status = _locked(connection, job.id)
            if status in (JobStatus.SUCCEEDED, JobStatus.CANCELLED):
                raise CommandRefused("job_finished", f"Job {job.key} has ended: it is {status}.")
            again = reopen(connection, job.id)
            self._note(connection, "retry", job_id=job.id)
        return status if again is None else JobStatus(again.status)

    def redrive(
        self, job: MessageJob | None, message_id: str, send: Callable[[], str], *, opening: bool
    ) -> tuple[str, bool]:
        """Have ``send`` put a dead letter back, and record its new id: (new id, job opened).

        With ``opening``, a failed job is open again with it; one that is open or has ended well
        stays as it is, and so does the entry of an unreadable message, which keeps its verdict
        while the message gets a new one. If anything fails, the job is as it was, whether or not
        the message was sent.

        A worker that has the new message already waits for the end of this: it would else take a
        message that the job does not know for a wish to open it once more.
        """
        known = None if job is None or job.type == UNREADABLE else job.id
        opened = False
        with self._connect() as connection:
            connection.execute(_LET_GO)
            if known is not None:
                _locked(connection, known)
                opened = opening and reopen(connection, known) is not None
            new_id = send()
            if known is not None:
                remember_message(connection, new_id, known)
            self._note(
                connection,
                "redrive",
                job_id=job.id if job else None,
                message_id=message_id,
                note=f"as {new_id}",
            )
        return new_id, opened

    def sent(self, job: StoredJob, message_id: str) -> None:
        """Record that a job that was opened again has got a new message."""
        with self._connect() as connection:
            _locked(connection, job.id)
            remember_message(connection, message_id, job.id)

    def dropped(self, job: MessageJob | None, message_id: str, reason: str) -> None:
        """Record why a dead letter is thrown away."""
        with self._connect() as connection:
            self._note(
                connection,
                "drop",
                job_id=job.id if job else None,
                message_id=message_id,
                note=reason,
            )

    def _note(
        self,
        connection: Connection,
        action: str,
        *,
        job_id: int | None,
        message_id: str | None = None,
        note: str | None = None,
    ) -> None:
        connection.execute(
            statement(__package__, "intervene"),
            {
                "job_id": job_id,
                "message_id": message_id,
                "action": action,
                "note": None if note is None else redact(note),
                "made_by": self._made_by,
            },
        )


def _locked(connection: Connection, job_id: int) -> JobStatus:
    row = connection.execute(statement(__package__, "lock_job"), {"job_id": job_id}).fetchone()
    assert row is not None
    return JobStatus(row[0])
