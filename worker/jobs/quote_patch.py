"""From a nutrient result to the body of the backend's PATCH /quotes/{reference}."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from worker.assessments.nutrient_result import NutrientResult, SiteResult
from worker.clients.backend import Amount, Band, Edp, Impact, QuotePatchBody
from worker.errors import ReferenceDataError
from worker.jobs.levy import LevyRate, PatchSchema, levy_block

# Upper limits of bands 1 to 3 in kg/year; above the last one is band 4.
_BAND_LIMITS_KG_YR = (0.25, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class QuotePatch:
    """What the backend is told: a body, or nothing; ``fact`` says why there is no plan in it."""

    body: QuotePatchBody | None
    fact: str | None = None


def quote_patch(
    result: NutrientResult,
    *,
    schema: PatchSchema,
    accepts_empty_edps: bool,
    levy_rates: Mapping[str, LevyRate],
) -> QuotePatch:
    """One entry for each named catchment of the quote's only site, each with its full totals.

    The same result gives the same body. A site that is out of scope, or in scope without any
    catchment to report it under, gives ``edps: []`` if the backend accepts that, else no body.
    Raises ReferenceDataError ``total_unavailable`` when a site in scope has no total: the contract
    has no way to say so, and 0 would be a wrong number.
    """
    (site,) = result.sites
    catchments = _catchments(site)
    if not catchments:
        body = QuotePatchBody(edps=()) if accepts_empty_edps else None
        return QuotePatch(body, site.reason or "No nutrient neutrality catchment is concerned.")
    nitrogen_kg_yr, phosphorus_kg_yr = _totals(site)
    impact = Impact(
        nitrogen_total=_amount(nitrogen_kg_yr), phosphorus_total=_amount(phosphorus_kg_yr)
    )
    edps = tuple(
        Edp(
            edp_id=oid,
            edp_name=name,
            impact=impact,
            levy_gbp=levy_block(schema, levy_rates, name, nitrogen_kg_yr, phosphorus_kg_yr),
        )
        for name, oid in sorted(catchments.items())
    )
    return QuotePatch(QuotePatchBody(edps=edps))


def band(amount_kg_yr: float) -> int:
    """Size class of an amount that is rounded to two decimals already."""
    for number, limit in enumerate(_BAND_LIMITS_KG_YR, start=1):
        if amount_kg_yr <= limit:
            return number
    return len(_BAND_LIMITS_KG_YR) + 1


def rounded(kg_yr: float) -> float:
    """Two decimals as the current service rounds: the binary value decides, 2.005 gives 2.0."""
    # Adding zero turns -0.0 into 0.0, which JSON would show.
    return round(kg_yr, 2) + 0.0


def _catchments(site: SiteResult) -> dict[str, int]:
    """Lowest OID by site name; features of one name are one plan."""
    if not site.in_scope:
        return {}
    catchments: dict[str, int] = {}
    for share in site.nn_catchments:
        catchments[share.name] = min(share.oid, catchments.get(share.name, share.oid))
    # In scope only through its works: the catchment that its rates were taken from.
    if not catchments and site.rates_catchment and site.rates_catchment_oid is not None:
        catchments[site.rates_catchment] = site.rates_catchment_oid
    return catchments


def _totals(site: SiteResult) -> tuple[float, float]:
    if site.n_total_kg_yr is None or site.p_total_kg_yr is None:
        raise ReferenceDataError(
            "total_unavailable",
            "No total can be given for this site, so the quote can't be answered.",
            detail=site.reason or "",
        )
    return rounded(site.n_total_kg_yr), rounded(site.p_total_kg_yr)


def _amount(kg_yr: float) -> Amount:
    number = band(kg_yr)
    return Amount(amount=kg_yr, band=Band(min=number, max=number))
