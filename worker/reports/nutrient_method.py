"""How a nutrient result comes about, in plain English, with the constants that were used."""

from __future__ import annotations

from collections.abc import Iterator

from worker.reports.document import Bullets, Column, Paragraph, Section, Table
from worker.reports.figures import count, exact, percent
from worker.settings import NutrientConstants


def method_section(constants: NutrientConstants) -> Section:
    """The steps of the method, and a table with every constant."""
    c = constants
    rows = (
        (
            "Share of the permit concentration that is discharged",
            exact(c.wastewater_factor),
            "factor",
        ),
        ("Greenspace counts from this area on", exact(c.greenspace_min_area_ha), "ha"),
        ("Share of greenspace", exact(c.greenspace_share), "factor"),
        ("Nitrogen from greenspace", exact(c.greenspace_n_kg_ha_yr), "kg/ha/year"),
        ("Phosphorus from greenspace", exact(c.greenspace_p_kg_ha_yr), "kg/ha/year"),
        ("Sustainable drainage from", count(c.suds_min_dwellings), "dwellings"),
        ("Reduction by sustainable drainage", exact(c.suds_reduction), "factor"),
        ("Precautionary buffer", exact(c.precautionary_buffer), "factor"),
        ("Treatment works where no catchment is met", str(c.default_wwtw_id), "number"),
        ("Occupancy without a catchment", exact(c.default_occupancy_rate), "persons/dwelling"),
        (
            "Water use without a catchment",
            exact(c.default_water_usage_l_person_day),
            "litres/person/day",
        ),
    )
    columns = (
        Column("Constant", width=3),
        Column("Value", numeric=True),
        Column("Unit", width=1.6),
    )
    return Section(
        "How it was computed",
        (
            Paragraph("All areas are measured on the British National Grid (EPSG:27700)."),
            Bullets(tuple(_steps(c))),
            Table("Constants", columns, rows),
        ),
    )


def _steps(c: NutrientConstants) -> Iterator[str]:
    yield (
        "Places: the treatment works, the planning authority and the operational subcatchment"
        " are those with which the site shares the largest area. A site outside every works'"
        f" catchment is counted to works {c.default_wwtw_id}, a package treatment plant."
    )
    yield (
        "Land use: the site is cut along land-use cells and nutrient neutrality catchments. For"
        " each piece, what the land loses today is taken from what it will lose as housing,"
        " and the difference is multiplied by the piece's area. Each piece is rounded to two"
        f" decimals, then all are added. From {exact(c.greenspace_min_area_ha)} ha on,"
        f" {percent(c.greenspace_share)} of the site counts as greenspace."
    )
    yield (
        f"Drainage: from {count(c.suds_min_dwellings)} dwellings on, sustainable drainage"
        f" (SuDS) takes {percent(c.suds_reduction)} off the size of the land-use figure."
    )
    yield (
        "Wastewater: dwellings times persons a dwelling times litres a person and day, times"
        " 365.25 days, times the concentration that the works may discharge, times"
        f" {exact(c.wastewater_factor)}. The works' permit until 2030 gives the temporary load,"
        " the permit from 2030 the permanent one."
    )
    yield (
        "Total: land use after drainage plus the permanent wastewater load, plus a"
        f" precautionary buffer of {percent(c.precautionary_buffer)} of its size. The load"
        " enters it before rounding, so adding up the figures shown can differ in the last"
        " decimal."
    )
