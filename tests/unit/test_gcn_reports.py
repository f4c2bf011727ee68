"""The newt result in the regulator's files and on a terminal."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from worker.assessments.gcn_result import (
    GcnResult,
    Habitat,
    HabitatByPartner,
    NewtSiteFact,
    PondFrequency,
    PondFrequencyByPartner,
)
from worker.reports.gcn_psv import print_psv, write_psv_files
from worker.reports.gcn_table import gcn_table
from worker.settings import GcnConstants

RESULT = GcnResult(
    sites=(NewtSiteFact(site=1, id=None, name="Field", area_m2=10_000.0),),
    ponds_source="survey",
    habitat=(
        Habitat(site=1, area="RLB", risk_zone="Red", habitat_area_m2=1234.567),
        Habitat(site=None, area="Buffer", risk_zone="Green", habitat_area_m2=0.5),
    ),
    ponds=(
        PondFrequency(pans="P", area="RLB", max_zone="Red", tmp_imp="T", frequency=2),
        PondFrequency(pans="NS", area="Buffer", max_zone=None, tmp_imp="F", frequency=1),
    ),
    habitat_by_edp=(
        HabitatByPartner(
            site=1, area="RLB", risk_zone="Red", habitat_area_m2=1234.567, edp_name="A|B"
        ),
        HabitatByPartner(
            site=None, area="Buffer", risk_zone="Green", habitat_area_m2=0.5, edp_name=None
        ),
    ),
    ponds_by_edp=(
        PondFrequencyByPartner(
            pans="P", area="RLB", max_zone="Red", tmp_imp="T", frequency=2, edp_name="[red]B"
        ),
        PondFrequencyByPartner(
            pans="NS", area="Buffer", max_zone=None, tmp_imp="F", frequency=1, edp_name=None
        ),
    ),
    warnings=("Sites overlap.",),
    reference_versions={},
    constants=GcnConstants(),
)


def test_the_four_files_have_the_regulators_columns(tmp_path: Path) -> None:
    write_psv_files(RESULT, tmp_path)

    written = {file.stem: file.read_text(encoding="utf-8") for file in tmp_path.iterdir()}
    assert written == {
        "habitat": "Site|Area|RZ|Shape_Area\n1|RLB|Red|1234.567\n|Buffer|Green|0.5\n",
        "ponds": "PANS|Area|MaxZone|TmpImp|FREQUENCY\nP|RLB|Red|T|2\nNS|Buffer||F|1\n",
        "habitat_by_edp": (
            'EDPName|Site|Area|RZ|Shape_Area\n"A|B"|1|RLB|Red|1234.567\n||Buffer|Green|0.5\n'
        ),
        "ponds_by_edp": (
            "EDPName|PANS|Area|MaxZone|TmpImp|FREQUENCY\n[red]B|P|RLB|Red|T|2\n|NS|Buffer||F|1\n"
        ),
    }


def test_printed_tables_are_the_files_with_an_empty_line_between(tmp_path: Path) -> None:
    write_psv_files(RESULT, tmp_path)
    printed = io.StringIO()

    print_psv(RESULT, printed)

    names = ("habitat", "ponds", "habitat_by_edp", "ponds_by_edp")
    files = [(tmp_path / f"{name}.psv").read_text(encoding="utf-8") for name in names]
    assert printed.getvalue() == "\n".join(files)


def test_the_terminal_shows_partners_and_warnings_and_takes_no_markup() -> None:
    console = Console(width=120, record=True, file=io.StringIO())

    console.print(gcn_table(RESULT))

    shown = console.export_text()
    for part in ("0.12 ha", "1,235", "3 surveyed", "(no delivery partner)", "[red]B", "none"):
        assert part in shown
    assert "Sites overlap." in shown


def test_the_published_json_has_the_names_of_the_contract() -> None:
    document = RESULT.model_dump(mode="json")

    assert document["assessment"] == "gcn"
    assert set(document) >= {
        *("habitat", "ponds", "habitat_by_edp", "ponds_by_edp", "reference_versions", "constants")
    }
    assert set(document["habitat"][0]) == {"site", "area", "risk_zone", "habitat_area_m2"}
    assert set(document["ponds"][0]) == {"pans", "area", "max_zone", "tmp_imp", "frequency"}
    assert document["habitat_by_edp"][1]["edp_name"] is None
    assert document["habitat"][1]["site"] is None
