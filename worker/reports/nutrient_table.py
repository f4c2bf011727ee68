"""The nutrient result for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from worker.assessments.nutrient_result import NutrientResult, SiteResult


def nutrient_table(result: NutrientResult) -> RenderableType:
    """A table with one row for each site, and below it what has to be said about single sites.

    Text from the file is never read as markup.
    """
    in_scope = sum(site.in_scope for site in result.sites)
    table = Table(
        title=f"Nutrient impact: {in_scope} of {len(result.sites)} sites in scope",
        title_justify="left",
        caption="Totals in kg/year, with the precautionary buffer.",
        caption_justify="left",
    )
    table.add_column("Site", justify="right")
    table.add_column("Name")
    table.add_column("Dwellings", justify="right")
    table.add_column("Area (ha)", justify="right")
    table.add_column("Catchment")
    table.add_column("Treatment works")
    table.add_column("Nitrogen", justify="right")
    table.add_column("Phosphorus", justify="right")
    for site in result.sites:
        table.add_row(*(Text(cell) for cell in _cells(site)))
    notes = [Text(note, style="yellow") for site in result.sites for note in _notes(site)]
    return Group(table, *notes)


def _cells(site: SiteResult) -> tuple[str, ...]:
    return (
        str(site.site),
        site.name or site.id or "",
        f"{site.dwellings:,}",
        _figure(site.dev_area_ha),
        (site.nn_catchment or "none") if site.in_scope else "out of scope",
        _works(site),
        _figure(site.n_total_kg_yr),
        _figure(site.p_total_kg_yr),
    )


def _works(site: SiteResult) -> str:
    if site.wwtw_id is None:
        return ""
    return f"{site.wwtw_name} ({site.wwtw_id})" if site.wwtw_name else str(site.wwtw_id)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}"


def _notes(site: SiteResult) -> list[str]:
    sentences = [*([site.reason] if site.reason else []), *site.warnings]
    return [f"Site {site.site}: {sentence}" for sentence in sentences]
