"""The newt result for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from worker.assessments.gcn_result import GcnResult, Habitat, PondFrequency

_PANS = {"P": "present", "A": "absent", "NS": "not surveyed"}
_IMPACT = {"T": "temporary", "F": ""}
_NO_PARTNER = "(no delivery partner)"


def gcn_table(result: GcnResult) -> RenderableType:
    """Habitat and ponds, each with its delivery partner, and what else has to be said."""
    notes = [Text(warning, style="yellow") for warning in result.warnings]
    return Group(_habitat(result), _ponds(result), *notes)


def _habitat(result: GcnResult) -> Table:
    total_m2 = sum(one.habitat_area_m2 for one in result.habitat)
    table = _titled(f"Newt habitat: {total_m2 / 10_000:,.2f} ha within reach of a pond")
    table.add_column("Delivery partner")
    table.add_column("Site")
    table.add_column("Risk zone")
    table.add_column("Habitat (m2)", justify="right")
    for one in result.habitat_by_edp:
        cells = (one.edp_name or _NO_PARTNER, _place(one), one.risk_zone)
        table.add_row(*map(Text, cells), f"{one.habitat_area_m2:,.0f}")
    return table


def _ponds(result: GcnResult) -> Table:
    count = sum(one.frequency for one in result.ponds)
    source = "surveyed" if result.ponds_source == "survey" else "of the national layer"
    table = _titled(f"Ponds: {count:,} {source} in the sites and the buffer")
    table.add_column("Delivery partner")
    table.add_column("Newts")
    table.add_column("Where")
    table.add_column("Worst zone")
    table.add_column("Impact")
    table.add_column("Ponds", justify="right")
    for one in result.ponds_by_edp:
        cells = (one.edp_name or _NO_PARTNER, _PANS[one.pans], *_met(one), _IMPACT[one.tmp_imp])
        table.add_row(*map(Text, cells), f"{one.frequency:,}")
    return table


def _titled(title: str) -> Table:
    return Table(title=title, title_justify="left")


def _place(one: Habitat) -> str:
    return "buffer" if one.site is None else str(one.site)


def _met(one: PondFrequency) -> tuple[str, str]:
    return ("site" if one.area == "RLB" else "buffer", one.max_zone or "none")
