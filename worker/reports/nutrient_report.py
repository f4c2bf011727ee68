"""A nutrient result as a report: what was assessed, a map, the numbers, how, and what was missing.

Up to ``MAX_SITES_IN_DETAIL`` sites get a section with a map each; more get one map and one table,
which ends after ``MAX_SITES_LISTED``, as the CSV file has every figure of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from psycopg import Connection

from worker.assessments.nutrient_result import NutrientResult, SiteResult
from worker.boundary.model import Site
from worker.reference.versions import ReferenceVersions
from worker.reports.data_versions import versions_section
from worker.reports.document import About, Block, Bullets, Paragraph, Picture, Report, Section
from worker.reports.figures import count, date, hundredths, listed, percent, printable
from worker.reports.map_data import read_nutrient_surroundings
from worker.reports.map_frame import Frame
from worker.reports.nutrient_map import overview_map, site_map
from worker.reports.nutrient_method import method_section
from worker.reports.nutrient_tables import (
    areas_table,
    inputs_table,
    overview_table,
    place_table,
    totals_table,
    wastewater_table,
)

MAX_SITES_IN_DETAIL = 10
# A table of so many rows takes a second, and the file still fits an e-mail.
MAX_SITES_LISTED = 1_000

_UNNAMED = "unnamed development"


@dataclass(frozen=True, slots=True)
class Maps:
    """The drawings of a report: by site number, and one of all sites if there are several."""

    sites: Mapping[int, Picture]
    overview: Picture | None = None


def nutrient_report(
    connection: Connection,
    versions: ReferenceVersions,
    sites: Sequence[Site],
    result: NutrientResult,
    about: About,
) -> Report:
    """The report on ``result``, which is of ``sites`` and the pinned ``versions``.

    The connection is read for the maps. Raises GEOSException if a geometry cannot be drawn.
    """
    return compose(result, _maps(connection, versions, sites, result), about)


def compose(result: NutrientResult, maps: Maps, about: About) -> Report:
    """The report from a result and its maps; reads nothing."""
    (first, *others) = result.sites
    unnamed = f"{count(len(result.sites))} sites" if others else first.name or _UNNAMED
    name = printable(about.development or unnamed)
    opening = Paragraph(
        f"Assessed on {date(about.made_at)}."
        + (f" Reference: {printable(about.reference)}." if about.reference else "")
    )
    if others:
        sections = tuple(_many_sites(result, maps, opening))
    else:
        sections = (
            Section("Result", (opening, *_outcome(first, result))),
            Section("Map", (maps.sites[first.site],)),
            *_numbers(first, level=2),
        )
    return Report(
        title=f"Nutrient impact of {name}",
        made_at=about.made_at,
        sections=(
            *sections,
            method_section(result.constants),
            _missing_section(result),
            versions_section(result.reference_versions),
        ),
    )


def _maps(
    connection: Connection,
    versions: ReferenceVersions,
    sites: Sequence[Site],
    result: NutrientResult,
) -> Maps:
    overview = None
    if len(sites) > 1:
        frame = Frame.around([site.geometry for site in sites])
        around = read_nutrient_surroundings(connection, versions, frame, with_cells=False)
        overview = overview_map(sites, around, frame)
    if len(sites) > MAX_SITES_IN_DETAIL:
        return Maps({}, overview)
    drawn: dict[int, Picture] = {}
    for site, facts in zip(sites, result.sites, strict=True):
        frame = Frame.around([site.geometry])
        around = read_nutrient_surroundings(connection, versions, frame, with_cells=True)
        drawn[site.number] = site_map(site, facts, around, frame)
    return Maps(drawn, overview)


def _many_sites(result: NutrientResult, maps: Maps, opening: Paragraph) -> Iterator[Section]:
    sites = result.sites
    inside = sum(site.in_scope for site in sites)
    in_detail = len(sites) <= MAX_SITES_IN_DETAIL
    summary = Paragraph(
        f"{count(inside)} of {count(len(sites))} sites are in scope of nutrient neutrality.",
        emphasised=True,
    )
    how = (
        "Each site is assessed on its own. A section for each follows the table."
        if in_detail
        else "Each site is assessed on its own. This report gives the totals of each; the CSV file"
        " that belongs to it has every figure."
    )
    yield Section("Result", (opening, summary, Paragraph(how)))
    if maps.overview is not None:
        yield Section("Map", (maps.overview,))
    blocks: list[Block] = [overview_table(sites[:MAX_SITES_LISTED])]
    if len(sites) > MAX_SITES_LISTED:
        blocks.insert(
            0,
            Paragraph(
                f"These are the first {count(MAX_SITES_LISTED)} of {count(len(sites))} sites."
                " The CSV file has all of them."
            ),
        )
    yield Section("All sites", tuple(blocks))
    if not in_detail:
        return
    for site in sites:
        name = printable(site.name or site.id or "")
        yield Section(
            f"Site {site.site}: {name}" if name else f"Site {site.site}",
            (*_outcome(site, result), maps.sites[site.site]),
            on_new_page=True,
        )
        yield from _numbers(site, level=3)


def _outcome(site: SiteResult, result: NutrientResult) -> tuple[Block, ...]:
    if not site.in_scope:
        return (
            Paragraph("Out of scope of nutrient neutrality.", emphasised=True),
            Paragraph(f"{printable(site.reason or '')} No figures are given for this site."),
        )
    if site.n_total_kg_yr is None or site.p_total_kg_yr is None:
        return (
            Paragraph("In scope, but no total can be given.", emphasised=True),
            Paragraph(printable(site.reason or "")),
        )
    rivers = f" for {printable(site.nn_catchment)}" if site.nn_catchment else ""
    return (
        Paragraph(
            f"Nitrogen: {hundredths(site.n_total_kg_yr)} kg a year."
            f" Phosphorus: {hundredths(site.p_total_kg_yr)} kg a year.",
            emphasised=True,
        ),
        Paragraph(
            f"These are the totals{rivers}, with a precautionary buffer of"
            f" {percent(result.constants.precautionary_buffer)}. A total above 0 is what the"
            f" development adds{_reduces(site)}."
        ),
    )


def _reduces(site: SiteResult) -> str:
    is_less = (site.n_total_kg_yr or 0) < 0 or (site.p_total_kg_yr or 0) < 0
    return "; one below 0 means less than from the land today" if is_less else ""


def _numbers(site: SiteResult, *, level: Literal[2, 3]) -> Iterator[Section]:
    if not site.in_scope:
        yield Section("What was assessed", (place_table(site),), level)
        return
    shares = areas_table(site)
    yield Section("What was assessed", (place_table(site),), level)
    yield Section(
        "The numbers",
        (
            totals_table(site),
            inputs_table(site),
            wastewater_table(site),
            *((shares,) if shares else ()),
        ),
        level,
    )


def _missing_section(result: NutrientResult) -> Section:
    """What was missing or assumed, site by site."""
    several = len(result.sites) > 1
    sentences = tuple(
        f"Site {site.site}: {sentence}" if several else sentence
        for site in result.sites[:MAX_SITES_LISTED]
        for sentence in _assumptions(site)
    )
    heading = "What was missing or assumed"
    if not sentences:
        return Section(heading, (Paragraph("Nothing was missing, and nothing was assumed."),))
    return Section(heading, (Bullets(sentences),))


def _assumptions(site: SiteResult) -> Iterator[str]:
    if site.reason:
        yield printable(site.reason)
    if site.lpa == "UNKNOWN":
        yield "The site is in no planning authority of the reference data."
    if site.rates_source == "works-subcatchment":
        yield (
            "The site is in no catchment: occupancy and water use are those of the catchment around"
            " its treatment works' subcatchment."
        )
    if site.rates_source == "default":
        yield (
            "The site is in no catchment, and its treatment works in none either: occupancy and"
            " water use are the defaults."
        )
    if site.blank_concentrations:
        yield f"No permit concentration is known for {listed(site.blank_concentrations)}."
    yield from map(printable, site.warnings)
