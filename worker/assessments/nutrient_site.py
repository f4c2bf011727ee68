"""From what a site shares with the layers to its result: the rules of the nutrient method."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from worker.assessments.land_use import LandUse, combined
from worker.assessments.lookups import Rates, Works
from worker.assessments.nutrient_result import (
    CatchmentShare,
    MissingCoefficient,
    Nutrient,
    PlanArea,
    RatesSource,
    SiteResult,
)
from worker.assessments.nutrient_rules import (
    SQUARE_METRES_PER_HECTARE,
    Permit,
    after_suds,
    litres_per_day,
    round2,
    round_half_up,
    total,
    wastewater_load,
)
from worker.assessments.overlay import Catchment, Share, largest
from worker.boundary.model import Site
from worker.errors import ReferenceDataError
from worker.settings import NutrientConstants

UNKNOWN_AUTHORITY = "UNKNOWN"

# Areas that explain a number are shown to the square metre.
_SQUARE_METRE_DECIMALS = 4
# Neighbouring cells overlap by slivers; more than this (ha) is worth a word.
_OVERLAP_WORTH_A_WARNING_HA = 0.01
_NUTRIENT_NAMES: dict[Nutrient, str] = {"N": "nitrogen", "P": "phosphorus"}


@dataclass(frozen=True, slots=True)
class Lookups:
    """The lookup tables; ``catchment_of_subcatchment`` is the one that overlaps it most."""

    works: Mapping[int, Works]
    rates: Mapping[str, Rates]
    catchment_of_subcatchment: Callable[[str], Catchment | None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A site's rounded area (ha), and what it shares with each layer (m2)."""

    dev_area_ha: float
    works: tuple[Share[int], ...]
    authorities: tuple[Share[str], ...]
    subcatchments: tuple[Share[str], ...]
    catchments: tuple[Share[Catchment], ...]
    plan_areas: tuple[Share[str], ...]
    excluded_areas: tuple[Share[str], ...]


@dataclass(frozen=True, slots=True)
class _ChosenRates:
    rates: Rates
    source: RatesSource
    catchment: Catchment | None


@dataclass(frozen=True, slots=True)
class _Nutrient:
    """One nutrient of one site: shown figures, None where nothing can be said."""

    uplift: float
    post_suds: float
    conc_until_2030: float | None = None
    conc_from_2030: float | None = None
    load_temporary: float | None = None
    load_permanent: float | None = None
    total: float | None = None


def site_result(
    site: Site,
    around: Surroundings,
    land_uses: tuple[LandUse, ...],
    lookups: Lookups,
    constants: NutrientConstants,
) -> SiteResult:
    """The result of one site; ``land_uses`` are those of ``around.catchments``, in their order.

    Raises ReferenceDataError ``reference_rates_missing``.
    """
    works_id = largest(around.works)
    if works_id is None:
        works_id = constants.default_wwtw_id
    works = lookups.works.get(works_id)
    subcatchment = largest(around.subcatchments)
    authority = largest(around.authorities) or UNKNOWN_AUTHORITY
    is_default_works = works_id == constants.default_wwtw_id
    if not around.catchments and (works is None or is_default_works):
        return SiteResult(
            site=site.number,
            id=site.id,
            name=site.name,
            dwelling_category=site.dwelling_category,
            source=site.source,
            dwellings=site.dwellings,
            in_scope=False,
            reason=_why_out_of_scope(works_id, is_default_works),
            lpa=authority,
            subcatchment=subcatchment,
            warnings=site.warnings,
        )

    works_subcatchment = None if works is None else works.subcatchment
    chosen = _choose_rates(around.catchments, works_subcatchment, lookups, constants)
    rates = chosen.rates
    litres = litres_per_day(site.dwellings, rates.occupancy, rates.water_usage_l_person_day)
    land_use = combined(land_uses)
    nutrient = partial(_nutrient, litres=litres, dwellings=site.dwellings, constants=constants)
    n = nutrient(land_use.n_hundredths, None if works is None else works.nitrogen)
    p = nutrient(land_use.p_hundredths, None if works is None else works.phosphorus)
    areas = _areas(around.catchments, land_use)
    blank = _blank_concentrations(works)
    excluded_areas = _plan_areas(around.excluded_areas)
    return SiteResult(
        site=site.number,
        id=site.id,
        name=site.name,
        dwelling_category=site.dwelling_category,
        source=site.source,
        dwellings=site.dwellings,
        in_scope=True,
        reason=_why_no_load(works_id) if works is None else None,
        dev_area_ha=around.dev_area_ha,
        area_in_nn_catchment_ha=round2(areas.in_cells_ha),
        area_without_cells_ha=areas.without_cells_ha,
        area_without_coefficient_ha=areas.without_coefficient_ha,
        missing_coefficients=areas.missing_coefficients,
        nn_catchment="; ".join(sorted({share.key.name for share in around.catchments})) or None,
        nn_catchments=tuple(
            CatchmentShare(oid=share.key.oid, name=share.key.name, area_ha=_shown(use.area_ha))
            for share, use in zip(around.catchments, land_uses, strict=True)
        ),
        subcatchment=subcatchment,
        lpa=authority,
        wwtw_id=works_id,
        wwtw_name=None if works is None else works.name,
        wwtw_subcatchment=subcatchment if is_default_works else works_subcatchment,
        n_lu_uplift_kg_yr=n.uplift,
        p_lu_uplift_kg_yr=p.uplift,
        n_lu_post_suds_kg_yr=n.post_suds,
        p_lu_post_suds_kg_yr=p.post_suds,
        occupancy_rate=rates.occupancy,
        water_usage_l_person_day=rates.water_usage_l_person_day,
        litres_used_day=round2(litres),
        rates_source=chosen.source,
        rates_catchment=None if chosen.catchment is None else chosen.catchment.name,
        rates_catchment_oid=None if chosen.catchment is None else chosen.catchment.oid,
        n_conc_2025_2030_mg_l=n.conc_until_2030,
        n_conc_2030_onwards_mg_l=n.conc_from_2030,
        p_conc_2025_2030_mg_l=p.conc_until_2030,
        p_conc_2030_onwards_mg_l=p.conc_from_2030,
        blank_concentrations=blank,
        n_wwtw_temp_kg_yr=n.load_temporary,
        p_wwtw_temp_kg_yr=p.load_temporary,
        n_wwtw_perm_kg_yr=n.load_permanent,
        p_wwtw_perm_kg_yr=p.load_permanent,
        n_total_kg_yr=n.total,
        p_total_kg_yr=p.total,
        edp_boundaries=_plan_areas(around.plan_areas),
        edp_excluded_areas=excluded_areas,
        warnings=(*site.warnings, *_warnings(areas, blank, excluded_areas)),
    )


def _nutrient(
    uplift_hundredths: int,
    permit: Permit | None,
    *,
    litres: float,
    dwellings: int,
    constants: NutrientConstants,
) -> _Nutrient:
    uplift = uplift_hundredths / 100
    post_suds = after_suds(uplift, dwellings, constants)
    if permit is None:
        return _Nutrient(uplift, post_suds)
    load = wastewater_load(litres, permit, constants)
    return _Nutrient(
        uplift,
        post_suds,
        permit.until_2030,
        permit.from_2030,
        round_half_up(load.temporary),
        round_half_up(load.permanent),
        total(post_suds, load, constants),
    )


def _choose_rates(
    catchments: tuple[Share[Catchment], ...],
    works_subcatchment: str | None,
    lookups: Lookups,
    constants: NutrientConstants,
) -> _ChosenRates:
    """Rule 5: the site's own catchment, else the one around its works' subcatchment, else none."""
    source: RatesSource = "site"
    catchment = _main_catchment(catchments)
    if catchment is None and works_subcatchment is not None:
        source = "works-subcatchment"
        catchment = lookups.catchment_of_subcatchment(works_subcatchment)
    if catchment is None:
        default = Rates(
            constants.default_occupancy_rate, constants.default_water_usage_l_person_day
        )
        return _ChosenRates(default, "default", None)
    try:
        return _ChosenRates(lookups.rates[catchment.name], source, catchment)
    except KeyError:
        raise ReferenceDataError(
            "reference_rates_missing",
            f"The rates lookup has no row for the catchment {catchment.name}.",
        ) from None


def _main_catchment(catchments: tuple[Share[Catchment], ...]) -> Catchment | None:
    """The site name with most area, with the lowest OID that the site meets under that name."""
    by_name: dict[str, list[Share[Catchment]]] = {}
    for share in catchments:
        by_name.setdefault(share.key.name, []).append(share)
    name = largest(
        [Share(name, sum(s.area_m2 for s in shares)) for name, shares in by_name.items()]
    )
    return None if name is None else min(share.key for share in by_name[name])


@dataclass(frozen=True, slots=True)
class _Areas:
    in_cells_ha: float
    without_cells_ha: float
    counted_twice_ha: float
    without_coefficient_ha: float
    missing_coefficients: tuple[MissingCoefficient, ...]


def _areas(catchments: tuple[Share[Catchment], ...], land_use: LandUse) -> _Areas:
    in_catchments = sum(share.area_m2 for share in catchments) / SQUARE_METRES_PER_HECTARE
    without_cells = _shown(in_catchments - land_use.area_ha)
    missing: tuple[tuple[Nutrient, float], ...] = (
        ("N", _shown(land_use.without_n_ha)),
        ("P", _shown(land_use.without_p_ha)),
    )
    return _Areas(
        in_cells_ha=land_use.area_ha,
        without_cells_ha=max(0.0, without_cells),
        counted_twice_ha=max(0.0, -without_cells),
        without_coefficient_ha=_shown(land_use.without_either_ha),
        missing_coefficients=tuple(
            MissingCoefficient(nutrient=nutrient, area_ha=area)
            for nutrient, area in missing
            if area > 0
        ),
    )


def _blank_concentrations(works: Works | None) -> tuple[str, ...]:
    if works is None:
        return ()
    concentrations = (
        ("nitrogen 2025-2030", works.nitrogen.until_2030),
        ("nitrogen from 2030", works.nitrogen.from_2030),
        ("phosphorus 2025-2030", works.phosphorus.until_2030),
        ("phosphorus from 2030", works.phosphorus.from_2030),
    )
    return tuple(name for name, value in concentrations if value is None)


def _plan_areas(shares: tuple[Share[str], ...]) -> tuple[PlanArea, ...]:
    return tuple(
        PlanArea(name=share.key, area_ha=_shown(share.area_m2 / SQUARE_METRES_PER_HECTARE))
        for share in shares
    )


def _warnings(
    areas: _Areas, blank: tuple[str, ...], excluded_areas: tuple[PlanArea, ...]
) -> Iterator[str]:
    if areas.without_cells_ha > 0:
        yield (
            f"{areas.without_cells_ha} ha in a catchment have no cell in the coefficient layer "
            "and count for no uplift."
        )
    if areas.counted_twice_ha > _OVERLAP_WORTH_A_WARNING_HA:
        yield (
            f"Cells of the coefficient layer overlap here: {areas.counted_twice_ha} ha are "
            "counted twice."
        )
    for missing in areas.missing_coefficients:
        yield (
            f"{missing.area_ha} ha have no {_NUTRIENT_NAMES[missing.nutrient]} coefficient and "
            "count for no uplift of it."
        )
    if blank:
        yield (
            "The treatment works has no permit concentration for "
            f"{', '.join(blank)}; the load is counted as 0."
        )
    for area in excluded_areas:
        yield f"The site shares {area.area_ha} ha with the excluded area {area.name}."


def _why_out_of_scope(works_id: int, is_default_works: bool) -> str:
    works = (
        "it drains to no treatment works that has a catchment"
        if is_default_works
        else f"its treatment works {works_id} is not in the works lookup"
    )
    return f"The site is in no nutrient neutrality catchment, and {works}."


def _why_no_load(works_id: int) -> str:
    return (
        f"The treatment works {works_id} is not in the works lookup, so there is no wastewater "
        "load and no total."
    )


def _shown(area_ha: float) -> float:
    return round(area_ha, _SQUARE_METRE_DECIMALS)
