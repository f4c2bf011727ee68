"""The files that people get of a result: the report, and the figures as the regulator's table."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from psycopg import Connection

from worker.assessments.gcn_result import GcnResult
from worker.assessments.nutrient_result import NutrientResult
from worker.boundary.model import NewtSite, Site, SurveyPonds
from worker.reference.versions import ReferenceVersions
from worker.reports.document import About, Report
from worker.reports.gcn_psv import print_psv, write_psv_files
from worker.reports.gcn_report import gcn_report
from worker.reports.nutrient_csv import write_nutrient_csv
from worker.reports.nutrient_report import nutrient_report
from worker.reports.render import render_html, render_pdf


@dataclass(frozen=True, slots=True)
class NutrientOutcome:
    """A nutrient result with what its report has to show beside it."""

    sites: tuple[Site, ...]
    versions: ReferenceVersions
    result: NutrientResult

    def report(self, connection: Connection, about: About) -> Report:
        return nutrient_report(connection, self.versions, self.sites, self.result, about)

    def figures(self) -> tuple[str, bytes]:
        """Name and content of the file with every figure."""
        return "nutrient.csv", _written(lambda file: write_nutrient_csv(self.result.sites, file))

    def write_figures(self, directory: Path) -> None:
        name, content = self.figures()
        (directory / name).write_bytes(content)


@dataclass(frozen=True, slots=True)
class NewtOutcome:
    """A newt result with what its report has to show beside it."""

    sites: tuple[NewtSite, ...]
    survey: SurveyPonds | None
    versions: ReferenceVersions
    result: GcnResult

    def report(self, connection: Connection, about: About) -> Report:
        return gcn_report(connection, self.versions, self.sites, self.survey, self.result, about)

    def figures(self) -> tuple[str, bytes]:
        """Name and content of the file with every figure: all tables, as Notify takes no PSV."""
        return "great-crested-newts.txt", _written(lambda file: print_psv(self.result, file))

    def write_figures(self, directory: Path) -> None:
        write_psv_files(self.result, directory)


Outcome = NutrientOutcome | NewtOutcome


def write_files(outcome: Outcome, connection: Connection, about: About, directory: Path) -> None:
    """Result, figures and the report in both forms, in ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    result = outcome.result
    document = result.model_dump_json(indent=2)
    (directory / f"{result.assessment}.json").write_text(document, encoding="utf-8")
    outcome.write_figures(directory)
    report = outcome.report(connection, about)
    (directory / "report.pdf").write_bytes(render_pdf(report))
    (directory / "report.html").write_text(render_html(report), encoding="utf-8")


def _written(write: Callable[[io.StringIO], None]) -> bytes:
    file = io.StringIO(newline="")
    write(file)
    return file.getvalue().encode()
