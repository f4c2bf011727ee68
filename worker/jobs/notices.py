"""What people are told about a job: the e-mails, with the personalisation of their templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from worker.clients.notify import PersonalisationValue
from worker.errors import WorkerError
from worker.jobs.attachments import Attachments
from worker.jobs.deliveries import EmailDelivery
from worker.ledger.models import Delivery, NewDelivery
from worker.settings import NotifySettings

UNNAMED = "Unnamed development"
# A failure that is found after the outcome was stored has a slot of its own.
FAILED_SLOT, REJECTED_SLOT = "failed-support", "failed-rejected"


@dataclass(frozen=True, slots=True)
class Subject:
    """The job that an e-mail is about, as people know it."""

    job_id: str
    development_name: str | None = None
    assessment_type: str = ""


class Notices:
    """Builds e-mails from the configured templates; decides nothing about when they are sent."""

    def __init__(self, settings: NotifySettings) -> None:
        self._settings = settings

    def started(self, subject: Subject, to: str | None) -> tuple[NewDelivery, ...]:
        """To the developer when the job starts; nothing unless a template is configured."""
        template = self._settings.govuk_notify_template_job_started
        return self._email("started", template, to, subject, {})

    def completed(
        self, subject: Subject, to: str | None, attached: Attachments | None = None
    ) -> tuple[NewDelivery, ...]:
        """To the developer when the result is at the backend; with files if there are any.

        A template that names a file gets the link to the results in its place where there is none.
        """
        template = self._settings.govuk_notify_template_job_completed
        if attached is None:
            return self._email("completed", template, to, subject, {})
        link = self._link(subject)
        files = {
            "report_link": attached.report or link,
            "csv_link": attached.figures or link,
            "report_note": " ".join(attached.notes),
        }
        return self._email("completed", template, to, subject, files)

    def failed(self, subject: Subject, error: WorkerError) -> tuple[NewDelivery, ...]:
        """To support when the job has failed for good; the developer hears from the backend."""
        return self._to_support(FAILED_SLOT, subject, error)

    def unreadable(self, message_id: str, error: WorkerError) -> tuple[NewDelivery, ...]:
        """To support about a message that is no job."""
        return self._to_support(FAILED_SLOT, Subject(message_id), error)

    def rejected(self, delivery: Delivery, error: WorkerError) -> tuple[NewDelivery, ...]:
        """To support when the other side refuses a stored result for good."""
        return self._to_support(REJECTED_SLOT, Subject(delivery.job_key), error)

    def _to_support(
        self, slot: str, subject: Subject, error: WorkerError
    ) -> tuple[NewDelivery, ...]:
        return self._email(
            slot,
            self._settings.govuk_notify_template_job_failed,
            self._settings.govuk_notify_support_email,
            subject,
            {"error_message": f"{error.sentence} ({error.code})"},
        )

    def _email(
        self,
        slot: str,
        template_id: str,
        to: str | None,
        subject: Subject,
        more: Mapping[str, PersonalisationValue],
    ) -> tuple[NewDelivery, ...]:
        if not template_id or not to:
            return ()
        link = self._link(subject)
        email = EmailDelivery(
            template_id=template_id,
            to=to,
            personalisation={
                "job_id": subject.job_id,
                "development_name": subject.development_name or UNNAMED,
                "assessment_type": subject.assessment_type,
                "status_link": link,
                "results_link": link,
                "estimateReference": subject.job_id,
                **more,
            },
        )
        return (NewDelivery(slot, EmailDelivery.kind, email.model_dump(mode="json")),)

    def _link(self, subject: Subject) -> str:
        return f"{self._settings.govuk_notify_results_base_url.rstrip('/')}/{subject.job_id}"
