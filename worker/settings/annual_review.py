"""What the annual review needs beside its database: the lists service's templates and address."""

from __future__ import annotations

from pydantic import Field, SecretStr

from worker.settings.base import Concern


class AnnualReviewSettings(Concern):
    """The Notify templates of the review; none is needed until a review is run."""

    lists_service_domain: str = ""
    lists_govuk_notify_api_key: SecretStr | None = Field(
        None, description="of the service that owns the templates; default GOVUK_NOTIFY_API_KEY"
    )
    govuk_notify_annual_review_post_one_month_notice: str = ""
    govuk_notify_annual_review_post_one_week_notice: str = ""
    govuk_notify_annual_review_post_one_day_notice: str = ""
    govuk_notify_annual_review_post_started: str = ""
    govuk_notify_annual_review_provider_started: str = ""
    govuk_notify_unpublish_provider_one_day_notice: str = ""
    govuk_notify_unpublish_post_one_day_notice: str = ""
    govuk_notify_unpublished_provider_notice: str = ""
    govuk_notify_unpublished_post_notice: str = ""

    def missing(self) -> tuple[str, ...]:
        """The variables without which no review can be run."""
        optional = "lists_govuk_notify_api_key"
        return tuple(
            name.upper()
            for name in type(self).model_fields
            if name != optional and not getattr(self, name)
        )
