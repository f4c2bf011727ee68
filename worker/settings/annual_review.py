"""What the annual review needs beside its database: the lists service's templates and address."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from worker.settings.base import Concern

# Notify refuses an e-mail with anything else, one by one.
TemplateId = Annotated[
    str, Field(pattern=r"^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$")
]


class AnnualReviewSettings(Concern):
    """The Notify templates of the review; none is needed until a review is run."""

    lists_service_domain: str = Field(
        "", pattern=r"^([A-Za-z0-9.-]+(:[0-9]+)?)?$", description="a host, without https://"
    )
    lists_govuk_notify_api_key: SecretStr | None = Field(
        None, description="of the service that owns the templates; default GOVUK_NOTIFY_API_KEY"
    )
    govuk_notify_annual_review_post_one_month_notice: TemplateId = ""
    govuk_notify_annual_review_post_one_week_notice: TemplateId = ""
    govuk_notify_annual_review_post_one_day_notice: TemplateId = ""
    govuk_notify_annual_review_post_started: TemplateId = ""
    govuk_notify_annual_review_provider_started: TemplateId = ""
    govuk_notify_unpublish_provider_one_day_notice: TemplateId = ""
    govuk_notify_unpublish_post_one_day_notice: TemplateId = ""
    govuk_notify_unpublished_provider_notice: TemplateId = ""
    govuk_notify_unpublished_post_notice: TemplateId = ""

    def missing(self) -> tuple[str, ...]:
        """The variables without which no review can be run."""
        optional = "lists_govuk_notify_api_key"
        return tuple(
            name.upper()
            for name in type(self).model_fields
            if name != optional and not getattr(self, name)
        )
