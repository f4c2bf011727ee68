"""The newt result as the regulator's pipe-separated files: their columns, in their order."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, TypeAlias

from worker.assessments.gcn_result import GcnResult, Habitat, PondFrequency

Row: TypeAlias = tuple[str | int | float | None, ...]

# The number of the site comes first: the tool's own file has one site.
_HABITAT = ("Site", "Area", "RZ", "Shape_Area")
_PONDS = ("PANS", "Area", "MaxZone", "TmpImp", "FREQUENCY")
_PARTNER = "EDPName"


@dataclass(frozen=True, slots=True)
class Table:
    """One of the regulator's files; an empty cell is no site (the buffer), no zone, no partner."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def write(self, file: TextIO) -> None:
        """``file`` should be opened with ``newline=""``."""
        writer = csv.writer(file, delimiter="|", lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.rows)


def psv_tables(result: GcnResult) -> tuple[Table, ...]:
    """Habitat and ponds, then both by delivery partner."""
    return (
        Table("habitat", _HABITAT, tuple(map(_habitat_row, result.habitat))),
        Table("ponds", _PONDS, tuple(map(_pond_row, result.ponds))),
        Table(
            "habitat_by_edp",
            (_PARTNER, *_HABITAT),
            tuple((one.edp_name, *_habitat_row(one)) for one in result.habitat_by_edp),
        ),
        Table(
            "ponds_by_edp",
            (_PARTNER, *_PONDS),
            tuple((one.edp_name, *_pond_row(one)) for one in result.ponds_by_edp),
        ),
    )


def print_psv(result: GcnResult, file: TextIO) -> None:
    """The tables one after the other, with an empty line between them."""
    for number, table in enumerate(psv_tables(result)):
        if number:
            file.write("\n")
        table.write(file)


def write_psv_files(result: GcnResult, directory: Path) -> None:
    """A file for each table in ``directory``, which has to exist."""
    for table in psv_tables(result):
        with (directory / f"{table.name}.psv").open("w", encoding="utf-8", newline="") as file:
            table.write(file)


def _habitat_row(one: Habitat) -> Row:
    return (one.site, one.area, one.risk_zone, one.habitat_area_m2)


def _pond_row(one: PondFrequency) -> Row:
    return (one.pans, one.area, one.max_zone, one.tmp_imp, one.frequency)
