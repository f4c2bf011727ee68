"""A backend for laptops and tests: keeps quotes' and jobs' results and checks what it is sent.

``python -m worker.demo.backend --port 3001`` runs it on its own.
"""

from __future__ import annotations

import argparse
import hmac
import json
import re
from dataclasses import dataclass
from typing import Literal

from worker.demo.fake_service import FakeService, JsonObject, Received, Reply

API_KEY = "demo-backend-key"

LevyGeneration = Literal["levy-range", "levy-model-v1"]

_QUOTE_PATH = re.compile(r"/quotes/([^/]+)")
_RESULT_PATH = re.compile(r"/jobs/([^/]+)/result")
_REFERENCE = re.compile(r"NRF-\d{6}")
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LEVY_AMOUNTS: dict[LevyGeneration, tuple[str, ...]] = {
    "levy-range": ("min", "max"),
    "levy-model-v1": ("amountExcludingVat", "amountInflationAdjusted", "baseAmount"),
}


@dataclass(slots=True)
class Stored:
    """The latest result under one id; ``changes`` counts the requests that changed it."""

    body: object
    changes: int = 1
    idempotency_key: str | None = None


class FakeBackend(FakeService):
    """Answers as the NRF backend does; a repeated PATCH is accepted and changes nothing.

    Every well-formed quote reference is known except those in ``unknown_quotes``.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        api_key: str | None = API_KEY,
        levy: LevyGeneration = "levy-model-v1",
        accepts_empty_edps: bool = True,
    ) -> None:
        super().__init__(port=port)
        self.quotes: dict[str, Stored] = {}
        self.results: dict[str, Stored] = {}
        self.unknown_quotes: set[str] = set()
        self._api_key = api_key
        self._levy: LevyGeneration = levy
        self._accepts_empty_edps = accepts_empty_edps

    def answer(self, request: Received) -> Reply:
        if self._api_key is None:
            return _error(500, "INTERNAL", "no API key is configured")
        given = request.headers.get("x-api-key", "")
        if not hmac.compare_digest(given.encode(), self._api_key.encode()):
            return _error(401, "UNAUTHORIZED", "missing or wrong key")
        if request.method == "PATCH" and (found := _QUOTE_PATH.fullmatch(request.path)):
            return self._patch_quote(found[1], request)
        if request.method == "POST" and (found := _RESULT_PATH.fullmatch(request.path)):
            return self._store_result(found[1], request)
        return _error(404, "NOT_FOUND", "no such route")

    def _patch_quote(self, reference: str, request: Received) -> Reply:
        if not _REFERENCE.fullmatch(reference):
            return _error(400, "REFERENCE_INVALID", "not a quote reference")
        body = request.json()
        faults = self._faults(body)
        if faults:
            return _error(400, "BODY_INVALID", "; ".join(faults))
        if reference in self.unknown_quotes:
            return _error(404, "QUOTE_NOT_FOUND", "no such quote")
        stored = self.quotes.get(reference)
        if stored is None:
            self.quotes[reference] = Stored(body)
        elif stored.body != body:
            self.quotes[reference] = Stored(body, stored.changes + 1)
        return Reply(200)

    def _store_result(self, job_id: str, request: Received) -> Reply:
        if not _JOB_ID.fullmatch(job_id):
            return _error(400, "JOB_ID_INVALID", "not a job id")
        body = request.json()
        if not isinstance(body, dict):
            return _error(400, "BODY_INVALID", "body: must be an object")
        key = request.headers.get("idempotency-key")
        stored = self.results.get(job_id)
        if stored is not None and (stored.body == body or stored.idempotency_key == key):
            return _error(409, "RESULT_ALREADY_STORED", "this result is stored already")
        changes = 1 if stored is None else stored.changes + 1
        self.results[job_id] = Stored(body, changes, key)
        return Reply(201, {"jobId": job_id})

    def _faults(self, body: object) -> list[str]:
        check = _Check()
        top = check.object("body", body, {"edps"})
        edps = top.get("edps")
        if not isinstance(edps, list):
            check.faults.append("edps: must be an array")
            return check.faults
        if not edps and not self._accepts_empty_edps:
            check.faults.append("edps: must not be empty")
        for index, edp in enumerate(edps):
            self._check_edp(check, f"edps[{index}]", edp)
        return check.faults

    def _check_edp(self, check: _Check, at: str, value: object) -> None:
        required = {"edpId", "edpName", "edpType", "impact"}
        edp = check.object(at, value, required, optional={"levyGbp"})
        check.that(_is_whole(edp.get("edpId")), f"{at}.edpId: must be an integer")
        check.that(isinstance(edp.get("edpName"), str), f"{at}.edpName: must be a string")
        check.that(edp.get("edpType") == "NUTRIENT", f"{at}.edpType: must be NUTRIENT")
        totals = {"nitrogenTotal", "phosphorusTotal"}
        impact = check.object(f"{at}.impact", edp.get("impact"), totals)
        for name in sorted(totals):
            here = f"{at}.impact.{name}"
            total = check.object(here, impact.get(name), {"amount", "unit", "band"})
            check.that(_is_amount(total.get("amount")), f"{here}.amount: must have 2 decimals")
            check.that(total.get("unit") == "mg/I TP", f"{here}.unit: must be mg/I TP")
            band = check.object(f"{here}.band", total.get("band"), {"min", "max"})
            for end in ("min", "max"):
                check.that(band.get(end) in (1, 2, 3, 4), f"{here}.band.{end}: must be 1 to 4")
        if "levyGbp" in edp:
            self._check_levy(check, f"{at}.levyGbp", edp["levyGbp"])

    def _check_levy(self, check: _Check, at: str, value: object) -> None:
        amounts = _LEVY_AMOUNTS[self._levy]
        is_model = self._levy == "levy-model-v1"
        levy = check.object(at, value, {*amounts, "modelVersion"} if is_model else set(amounts))
        for name in amounts:
            amount = levy.get(name)
            is_levy = isinstance(amount, int | float) and amount >= 0 and _is_amount(amount)
            check.that(is_levy, f"{at}.{name}: must be 0 or more, with 2 decimals")
        if is_model:
            version = levy.get("modelVersion")
            check.that(
                isinstance(version, int) and version >= 1, f"{at}.modelVersion: must be 1 or more"
            )


class _Check:
    """Collects every fault, as the backend reports them all together."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def that(self, holds: bool, fault: str) -> None:
        if not holds:
            self.faults.append(fault)

    def object(
        self, at: str, value: object, required: set[str], *, optional: set[str] | None = None
    ) -> dict[str, object]:
        """``value`` if it is an object; its missing and unknown keys are faults."""
        if not isinstance(value, dict):
            self.faults.append(f"{at}: must be an object")
            return {}
        self.faults += [f"{at}.{name}: is required" for name in sorted(required - value.keys())]
        unknown = value.keys() - required - (optional or set())
        self.faults += [f"{at}.{name}: is not allowed" for name in sorted(unknown)]
        return value


def _is_whole(value: object) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isdigit()
    return isinstance(value, int) and not isinstance(value, bool)


def _is_amount(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and len(json.dumps(value).partition(".")[2]) <= 2


def _error(status: int, code: str, message: str) -> Reply:
    body: JsonObject = {"statusCode": status, "code": code, "message": message}
    return Reply(status, body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=3001)
    parser.add_argument("--api-key", default=API_KEY)
    options = parser.parse_args()
    FakeBackend(port=options.port, api_key=options.api_key).serve()


if __name__ == "__main__":
    main()
