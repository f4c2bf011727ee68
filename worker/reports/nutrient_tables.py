"""The tables of a nutrient report: every number of a site's result, with its unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from worker.assessments.nutrient_result import RatesSource, SiteResult
from worker.reports.document import Column, Table
from worker.reports.figures import (
    NOT_AVAILABLE,
    count,
    exact,
    hundredths,
    printable,
    square_metres,
)

OUT_OF_SCOPE = "out of scope"
_NO_CATCHMENT = "no catchment"

_RATES_SOURCES: Mapping[RatesSource, str] = {
    "site": "the site's own catchment",
    "works-subcatchment": "the catchment around its treatment works' subcatchment",
    "default": "the default, as there is no catchment",
}


def totals_table(site: SiteResult) -> Table:
    """What the development adds, step by step, for both nutrients."""
    # Land use is 0 where no catchment is met, and nothing was looked at.
    land = hundredths if site.nn_catchment else (lambda _: _NO_CATCHMENT)
    rows = (
        ("Change of land use", land(site.n_lu_uplift_kg_yr), land(site.p_lu_uplift_kg_yr)),
        (
            "Change of land use after sustainable drainage",
            land(site.n_lu_post_suds_kg_yr),
            land(site.p_lu_post_suds_kg_yr),
        ),
        (
            "Wastewater 2025 to 2030 (temporary)",
            hundredths(site.n_wwtw_temp_kg_yr),
            hundredths(site.p_wwtw_temp_kg_yr),
        ),
        (
            "Wastewater from 2030 (permanent)",
            hundredths(site.n_wwtw_perm_kg_yr),
            hundredths(site.p_wwtw_perm_kg_yr),
        ),
        (
            "Total, with permanent wastewater and buffer",
            hundredths(site.n_total_kg_yr),
            hundredths(site.p_total_kg_yr),
        ),
    )
    return Table("Nutrients in kg a year", _nutrient_columns("Step"), rows)


def wastewater_table(site: SiteResult) -> Table:
    """What the works may discharge."""
    rows = (
        ("2025 to 2030", exact(site.n_conc_2025_2030_mg_l), exact(site.p_conc_2025_2030_mg_l)),
        (
            "From 2030",
            exact(site.n_conc_2030_onwards_mg_l),
            exact(site.p_conc_2030_onwards_mg_l),
        ),
    )
    return Table(
        "Permit concentrations of the treatment works in mg/l", _nutrient_columns("Years"), rows
    )


def place_table(site: SiteResult) -> Table:
    """Where the site is and what it drains to."""
    source = site.rates_source
    rates = "" if source is None else _RATES_SOURCES[source]
    if site.rates_catchment:
        rates = f"{rates}: {site.rates_catchment} (OID {site.rates_catchment_oid})"
    works = _named(site.wwtw_name, site.wwtw_id)
    rows = (
        ("Name", _text(site.name)),
        ("Identifier", _text(site.id)),
        ("Category of dwellings", _text(site.dwelling_category)),
        ("Source", _text(site.source)),
        ("Number of dwellings", count(site.dwellings)),
        ("Planning authority", _text(site.lpa)),
        ("Nutrient neutrality catchments", _text(site.nn_catchment)),
        ("Operational subcatchment", _text(site.subcatchment)),
        ("Treatment works (number)", works),
        ("Subcatchment of the treatment works", _text(site.wwtw_subcatchment)),
        ("Occupancy and water use are from", rates),
    )
    given = tuple(row for row in rows if row[1])
    return Table("The development", (Column("Fact"), Column("Value", width=1.6)), given)


def inputs_table(site: SiteResult) -> Table:
    """Areas and rates."""
    rows = (
        ("Area of the development", hundredths(site.dev_area_ha), "ha"),
        (
            "Area in nutrient neutrality catchments",
            hundredths(site.area_in_nn_catchment_ha),
            "ha",
        ),
        (
            "Area in catchments without a land-use cell",
            square_metres(site.area_without_cells_ha),
            "ha",
        ),
        (
            "Area without a coefficient of either nutrient",
            square_metres(site.area_without_coefficient_ha),
            "ha",
        ),
        ("Occupancy", exact(site.occupancy_rate), "persons/dwelling"),
        ("Water use", exact(site.water_usage_l_person_day), "litres/person/day"),
        ("Wastewater", hundredths(site.litres_used_day), "litres/day"),
    )
    columns = (
        Column("Figure", width=2.4),
        Column("Value", numeric=True),
        Column("Unit", width=1.3),
    )
    return Table("Areas and wastewater", columns, rows)


def areas_table(site: SiteResult) -> Table | None:
    """Catchments, plan areas and gaps that the site meets, each with the area shared."""
    nutrients = {"N": "nitrogen", "P": "phosphorus"}
    rows = (
        *(
            (printable(one.name), f"catchment (OID {one.oid})", square_metres(one.area_ha))
            for one in site.nn_catchments
        ),
        *(
            (printable(one.name), "plan area", square_metres(one.area_ha))
            for one in site.edp_boundaries
        ),
        *(
            (printable(one.name), "excluded area", square_metres(one.area_ha))
            for one in site.edp_excluded_areas
        ),
        *(
            (
                f"No {nutrients[one.nutrient]} coefficient",
                "gap in the data",
                square_metres(one.area_ha),
            )
            for one in site.missing_coefficients
        ),
    )
    columns = (Column("Name", width=2.4), Column("What it is"), Column("Shared (ha)", numeric=True))
    return Table("What the site shares with catchments and plans", columns, rows) if rows else None


def overview_table(sites: Sequence[SiteResult]) -> Table:
    """One row for each site, totals in kg a year."""
    columns = (
        Column("Site", numeric=True, width=0.6),
        Column("Name", width=1.9),
        Column("Dwellings", numeric=True, width=1.05),
        Column("Area (ha)", numeric=True, width=0.95),
        Column("Catchment", width=2),
        Column("Nitrogen", numeric=True, width=1.15),
        Column("Phosphorus", numeric=True, width=1.15),
    )
    return Table("All sites, totals in kg a year", columns, tuple(map(_overview_row, sites)))


def _overview_row(site: SiteResult) -> tuple[str, ...]:
    name = printable(site.name or site.id or "") or f"site {site.site}"
    start = (str(site.site), name, count(site.dwellings))
    if not site.in_scope:
        return (*start, "", OUT_OF_SCOPE, "", "")
    return (
        *start,
        hundredths(site.dev_area_ha),
        printable(site.nn_catchment or _NO_CATCHMENT),
        hundredths(site.n_total_kg_yr),
        hundredths(site.p_total_kg_yr),
    )


def _nutrient_columns(first: str) -> tuple[Column, ...]:
    return (
        Column(first, width=2.4),
        Column("Nitrogen", numeric=True),
        Column("Phosphorus", numeric=True),
    )


def _text(value: str | None) -> str:
    return printable(value or "")


def _named(name: str | None, number: int | None) -> str:
    if number is None:
        return ""
    return f"{printable(name or NOT_AVAILABLE)} ({number})"
