"""The NRF backend: the shape of what it accepts, and what its answers mean to a job."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from worker.clients.http import Answer, HttpService, JsonObject
from worker.clients.receipt import DeliveryReceipt
from worker.errors import ConfigurationError, ConfigurationFault, DeliveryRejected
from worker.settings import BackendSettings

_QUOTE_REFERENCE = re.compile(r"NRF-[0-9]{6}")
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class _Contract(BaseModel):
    """Names are the backend's in camel case; it refuses keys that it does not know."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        allow_inf_nan=False,
    )


class Band(_Contract):
    """Size class of an amount, 1 to 4; the worker sends the same figure twice."""

    min: int
    max: int


class Amount(_Contract):
    """A total in kg/year; ``unit`` is the backend's wording, which speaks of a concentration."""

    amount: float
    unit: Literal["mg/I TP"] = "mg/I TP"
    band: Band


class Impact(_Contract):
    """Totals of both nutrients."""

    nitrogen_total: Amount
    phosphorus_total: Amount


class LevyRange(_Contract):
    """Levy in pounds as the backend's schema before the newest has it."""

    min: float
    max: float


class LevyModelV1(_Contract):
    """Levy in pounds as the backend's newest schema has it."""

    amount_excluding_vat: float
    amount_inflation_adjusted: float
    base_amount: float
    model_version: int


class Edp(_Contract):
    """The impact within one environmental delivery plan; without ``levy_gbp`` none is sent.

    ``edp_id`` is sent as a number: that is what the contract says, and a backend that converts
    text takes a number just as well.
    """

    edp_id: int
    edp_name: str
    edp_type: Literal["NUTRIENT"] = "NUTRIENT"
    impact: Impact
    levy_gbp: LevyRange | LevyModelV1 | None = None


class QuotePatchBody(_Contract):
    """Body of PATCH /quotes/{reference}."""

    edps: tuple[Edp, ...]

    def as_json(self) -> JsonObject:
        """As it is stored and sent; a levy that was not calculated has no key at all."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class BackendClient:
    """Sends results to the configured backend.

    Both calls raise DeliveryRejected (400, 404 and other refusals), ConfigurationFault (401, 403,
    redirects) and TransientError ``backend_unavailable`` (429, 5xx, no answer). ``before_send`` is
    called before each try and may raise.
    """

    def __init__(self, settings: BackendSettings, *, version: str = "unknown") -> None:
        if not settings.backend_base_url or settings.backend_api_key is None:
            raise ConfigurationError(("BACKEND_BASE_URL and BACKEND_API_KEY are required",))
        self._http = HttpService(
            settings.backend_base_url,
            headers={"x-api-key": settings.backend_api_key.get_secret_value()},
            timeout_s=settings.backend_timeout_seconds,
            retry_wait_s=settings.backend_retry_wait_seconds,
            tracing_header=settings.tracing_header,
            user_agent=f"nrf-impact-assessment-worker/{version}",
            unavailable=("backend_unavailable", "The backend does not answer at the moment."),
        )

    def patch_quote(
        self,
        reference: str,
        body: QuotePatchBody,
        *,
        before_send: Callable[[], None] = lambda: None,
    ) -> DeliveryReceipt:
        """Give a quote its result; sending the same body again changes nothing there."""
        if not _QUOTE_REFERENCE.fullmatch(reference):
            raise _bad_id("quote reference")
        answer = self._http.send(
            "PATCH", f"/quotes/{reference}", body.as_json(), before_send=before_send
        )
        return self._receipt(answer, unknown="backend_unknown_quote")

    def post_job_result(
        self,
        job_id: str,
        body: JsonObject,
        *,
        idempotency_key: str,
        before_send: Callable[[], None] = lambda: None,
    ) -> DeliveryReceipt:
        """Give a job its result; the backend tells a repetition by ``idempotency_key``."""
        if not _JOB_ID.fullmatch(job_id):
            raise _bad_id("job id")
        answer = self._http.send(
            "POST",
            f"/jobs/{job_id}/result",
            body,
            headers={"idempotency-key": idempotency_key},
            before_send=before_send,
        )
        return self._receipt(answer, unknown="backend_unknown_job")

    def close(self) -> None:
        """Close idle connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _receipt(self, answer: Answer, *, unknown: str) -> DeliveryReceipt:
        status = answer.status
        said = f"{status}: {self._http.excerpt(answer.text)}".rstrip(": ")
        if 200 <= status < 300:
            return DeliveryReceipt("delivered", detail=str(status))
        if status == 409:
            return DeliveryReceipt("already_delivered", detail=said)
        if status in (401, 403):
            raise ConfigurationFault(
                "backend_refused_us", "The backend refuses our API key.", detail=said
            )
        if 300 <= status < 400:
            raise ConfigurationFault(
                "backend_redirected",
                "The backend's address redirects elsewhere, which is never followed.",
                detail=str(status),
            )
        if status == 404:
            raise DeliveryRejected(unknown, "The backend does not know this request.", detail=said)
        raise DeliveryRejected(
            "backend_rejected", "The backend did not accept the result.", detail=said
        )


def _bad_id(what: str) -> DeliveryRejected:
    return DeliveryRejected(
        "backend_id_invalid", f"The {what} does not have the form that the backend uses."
    )
