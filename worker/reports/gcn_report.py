"""A newt result as a report: sites, map, habitat and ponds, how, and what was missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from psycopg import Connection

from worker.assessments.gcn_result import GcnResult, Habitat, PondFrequency
from worker.boundary.model import NewtSite, SurveyPonds
from worker.reference.versions import ReferenceVersions
from worker.reports.data_versions import versions_section
from worker.reports.document import (
    About,
    Block,
    Bullets,
    Column,
    Paragraph,
    Picture,
    Report,
    Section,
    Table,
)
from worker.reports.figures import count, date, exact, listed, printable, thousandths
from worker.reports.gcn_map import POND_STATES, newt_map, read_newt_surroundings
from worker.settings import GcnConstants

_UNNAMED = "unnamed development"
_NO_ZONE = "none"
_NO_PARTNER = "no delivery partner"
_COLOURS = ("Red", "Amber", "Green")


def gcn_report(
    connection: Connection,
    versions: ReferenceVersions,
    sites: Sequence[NewtSite],
    survey: SurveyPonds | None,
    result: GcnResult,
    about: About,
) -> Report:
    """The report on ``result``, which is of ``sites``, ``survey`` and the pinned ``versions``.

    The connection is read for the map. Raises GEOSException if a geometry cannot be drawn.
    """
    around = read_newt_surroundings(connection, versions, sites, survey, result.constants)
    return compose(result, newt_map(sites, around, result), about)


def compose(result: GcnResult, picture: Picture, about: About) -> Report:
    """The report from a result and its map; reads nothing."""
    (first, *others) = result.sites
    unnamed = f"{count(len(result.sites))} sites" if others else first.name or _UNNAMED
    opening = f"Assessed on {date(about.made_at)}."
    if about.reference:
        opening += f" Reference: {printable(about.reference)}."
    return Report(
        title=f"Great crested newt impact of {printable(about.development or unnamed)}",
        made_at=about.made_at,
        sections=(
            Section("Result", (Paragraph(opening), *_summary(result))),
            Section("Map", (picture,)),
            Section("What was assessed", (_sites_table(result),)),
            Section(
                "The numbers",
                (_or_none(_habitat_table(result.habitat)), _or_none(_ponds_table(result.ponds))),
            ),
            Section("The numbers by delivery partner", tuple(_by_partners(result))),
            _method(result),
            _missing(result),
            versions_section(result.reference_versions),
        ),
    )


def _summary(result: GcnResult) -> Iterator[Paragraph]:
    in_sites = _colours(one for one in result.habitat if one.site is not None)
    in_buffer = _colours(one for one in result.habitat if one.site is None)
    if not in_sites and not in_buffer:
        yield Paragraph("No habitat within reach of a pond.", emphasised=True)
        return
    inside = f"in risk zones {listed(in_sites)}" if in_sites else "none"
    near = f"in risk zones {listed(in_buffer)}" if in_buffer else "none"
    yield Paragraph(
        f"Habitat within reach of a pond: in the sites {inside}; in the buffer {near}.",
        emphasised=True,
    )
    yield Paragraph("The areas are in the tables under \u201cThe numbers\u201d.")


def _colours(found: Iterator[Habitat]) -> tuple[str, ...]:
    met = {one.risk_zone for one in found}
    return tuple(colour for colour in _COLOURS if colour in met)


def _sites_table(result: GcnResult) -> Table:
    columns = (
        Column("Site", numeric=True, width=0.4),
        Column("Name", width=1.6),
        Column("Identifier"),
        Column("Area (m\u00b2)", numeric=True),
    )
    rows = tuple(
        (str(s.site), printable(s.name or ""), printable(s.id or ""), thousandths(s.area_m2))
        for s in result.sites
    )
    return Table("Sites of the boundary file", columns, rows)


def _habitat_table(habitat: Sequence[Habitat]) -> Table:
    columns = (
        Column("Where", width=1.4),
        Column("Risk zone"),
        Column("Habitat (m\u00b2)", numeric=True),
    )
    rows = tuple(
        (
            "Buffer" if one.site is None else f"Site {one.site}",
            one.risk_zone,
            thousandths(one.habitat_area_m2),
        )
        for one in habitat
    )
    return Table("Habitat within reach of a pond", columns, rows)


def _ponds_table(ponds: Sequence[PondFrequency]) -> Table:
    columns = (
        Column("Survey", width=1.6),
        Column("Where"),
        Column("Worst risk zone", width=1.2),
        Column("Temporary impact", width=1.2),
        Column("Number of ponds", numeric=True, width=1.2),
    )
    rows = tuple(
        (
            f"{POND_STATES[one.pans]} ({one.pans})",
            "Site" if one.area == "RLB" else one.area,
            one.max_zone or _NO_ZONE,
            "yes (T)" if one.tmp_imp == "T" else "no (F)",
            count(one.frequency),
        )
        for one in ponds
    )
    return Table("Ponds", columns, rows)


def _by_partners(result: GcnResult) -> Iterator[Block]:
    habitat, ponds = result.habitat_by_edp, result.ponds_by_edp
    yield _or_none(_by_partner(_habitat_table(habitat), [one.edp_name for one in habitat]))
    yield _or_none(_by_partner(_ponds_table(ponds), [one.edp_name for one in ponds]))


def _or_none(table: Table) -> Block:
    return table if table.rows else Paragraph(f"{table.caption}: none.")


def _by_partner(table: Table, partners: Sequence[str | None]) -> Table:
    return Table(
        f"{table.caption}, by delivery partner",
        (Column("Delivery partner", width=1.4), *table.columns),
        tuple(
            (printable(partner or _NO_PARTNER), *row)
            for partner, row in zip(partners, table.rows, strict=True)
        ),
    )


def _method(result: GcnResult) -> Section:
    c = result.constants
    constants = (
        ("Buffer around sites", exact(c.site_buffer_m), "m"),
        ("Reach of a pond", exact(c.pond_buffer_m), "m"),
        ("Segments in a quarter of a circle", count(c.segments_per_quadrant), "segments"),
        ("Grid to which geometry is snapped", exact(c.grid_m), "m"),
    )
    columns = (Column("Constant", width=3), Column("Value", numeric=True), Column("Unit"))
    return Section(
        "How it was computed",
        (
            Paragraph("All areas are measured on the British National Grid (EPSG:27700)."),
            Bullets(tuple(_steps(c))),
            Table("Constants", columns, constants),
        ),
    )


def _steps(c: GcnConstants) -> Iterator[str]:
    yield f"Buffer: all land within {exact(c.site_buffer_m)} m of a site, without the sites."
    yield (
        f"Reach of ponds: all land within {exact(c.pond_buffer_m)} m of a pond that lies in a site"
        " or in the buffer. Only the part of a pond that lies there counts."
    )
    yield (
        "Habitat: for each site, for the buffer and for each risk zone, the area that is within"
        " reach of a pond."
    )
    yield (
        "Ponds: each takes the worst risk zone that it meets: Red, then Amber, then Green. A pond"
        " that meets a site counts to the site, others to the buffer."
    )
    yield (
        "Delivery partners: both once more, divided by the partners' areas. A pond belongs to the"
        " partner with which it shares the largest area."
    )


def _missing(result: GcnResult) -> Section:
    sentences = [printable(warning) for warning in result.warnings]
    if result.ponds_source == "national":
        sentences.insert(
            0,
            "There was no pond survey: the ponds of the national map count as not surveyed (NS)"
            " and without temporary impact (F).",
        )
    heading = "What was missing or assumed"
    if not sentences:
        return Section(heading, (Paragraph("Nothing was missing, and nothing was assumed."),))
    return Section(heading, (Bullets(tuple(sentences)),))
