"""The annual review's messages and settings: what is accepted, and what is refused before a run."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime

import pytest
from pydantic import ValidationError

from worker.errors import MessageError, PermanentError
from worker.jobs.annual_review import BatchRequest, WorkerRequest, letters_of
from worker.jobs.payloads import validated
from worker.lists.milestones import WEEKLY, Milestone
from worker.settings import AnnualReviewSettings

TEMPLATES = {
    name: str(uuid.UUID(int=number))
    for number, name in enumerate(AnnualReviewSettings.model_fields)
    if name.startswith("govuk_notify")
}


def body(job: str = "worker", **changes: object) -> dict[str, object]:
    return {
        "jobType": f"lists.annual-review.{job}",
        "scheduledTime": "2026-06-15T10:00:00Z",
        "runDate": "2026-06-15",
        **changes,
    }


def test_a_run_is_known_by_its_type_and_time() -> None:
    assert validated(BatchRequest, body("batch")).key == (
        "lists.annual-review.batch:2026-06-15T10:00:00Z"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"listIds": []},
        {"listIds": ["17"]},
        {"listIds": [0]},
        {"listIds": [True]},
        {"listIds": [2**31]},
        {"listIds": list(range(1, 1002))},
        {"list_ids": [17]},
        {"listids": [17]},
        {"runDate": None},
        {"scheduledTime": None},
    ],
    ids=str,
)
def test_a_message_that_could_mean_more_lists_than_it_says_is_refused(
    changes: dict[str, object],
) -> None:
    with pytest.raises(MessageError) as raised:
        validated(WorkerRequest, body() | changes)
    assert raised.value.code == "payload_invalid"


def test_events_of_a_late_run_are_dated_with_the_day_that_it_is_for() -> None:
    late = body(scheduledTime="2026-06-17T10:30:00Z", runDate="2026-06-15")
    request = validated(WorkerRequest, late)
    assert request.run_date == date(2026, 6, 15)
    assert request.moment == datetime(2026, 6, 15, 10, 30, tzinfo=UTC)


def test_every_email_has_a_template_and_reminders_share_that_of_the_start() -> None:
    settings = AnnualReviewSettings.model_validate(
        {**TEMPLATES, "lists_service_domain": "lists.example"}
    )
    templates = letters_of(settings).templates
    assert set(templates) == set(Milestone)
    assert {templates[one] for one in WEEKLY} == {templates[Milestone.PROVIDER_STARTED]}
    others = [one for one in Milestone if one not in WEEKLY]
    assert len({templates[one] for one in others}) == len(others) == len(TEMPLATES)


def test_settings_that_are_missing_are_named() -> None:
    settings = AnnualReviewSettings.model_validate(
        {**TEMPLATES, "govuk_notify_unpublished_post_notice": ""}
    )
    with pytest.raises(PermanentError) as raised:
        letters_of(settings)
    assert raised.value.code == "annual_review_not_configured"
    assert "LISTS_SERVICE_DOMAIN, GOVUK_NOTIFY_UNPUBLISHED_POST_NOTICE" in raised.value.sentence


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lists_service_domain", "https://lists.example"),
        ("lists_service_domain", "lists.example/annual-review"),
        ("govuk_notify_unpublished_post_notice", "the notice"),
    ],
)
def test_a_setting_that_would_spoil_every_email_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValidationError):
        AnnualReviewSettings.model_validate({name: value})
