"""Reports as files: PDF/UA by typst, and a web page of one file by Jinja."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from worker.reports.document import Report

if TYPE_CHECKING:
    from jinja2 import Template

_PACKAGE = "worker.reports"
_FOLDER = "templates"


def render_pdf(report: Report) -> bytes:
    """The report as a tagged PDF (PDF/UA-1); equal reports give equal bytes.

    Everything in the report reaches the template as data, so none of it is read as markup. Only
    the fonts inside the compiler are used, and the template loads no file and no package.
    """
    # A compiler of 80 MB: only what writes a report loads it.
    import typst

    return typst.compile(
        resources.files(_PACKAGE).joinpath(_FOLDER, "report.typ").read_bytes(),
        sys_inputs={"report": json.dumps(asdict(report), default=str)},
        format="pdf",
        pdf_standards=["ua-1"],
        ignore_system_fonts=True,
        timestamp=report.made_at,
    )


def render_html(report: Report) -> str:
    """The report as a web page in one file: no script, nothing to load."""
    return _html_template().render(report=report)


@cache
def _html_template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(_PACKAGE, _FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")
