"""What an e-mail about a finished job carries: report and figures as files, or a link instead.

A report that cannot be made costs nobody the result: the e-mail goes without it and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from psycopg import Connection

from worker.clients.notify import MAX_UPLOAD_BYTES, Upload, upload
from worker.errors import Interrupted
from worker.jobs.report_files import Outcome
from worker.logs import logger
from worker.reports.document import About
from worker.reports.render import render_pdf

_log = logger(__name__)

_REPORT = "The report"
_FIGURES = "The file with the figures"


@dataclass(frozen=True, slots=True)
class Attachments:
    """Files for Notify; one that is None is left out, and ``notes`` say why, a sentence each."""

    report: Upload | None
    figures: Upload | None
    notes: tuple[str, ...] = ()


def attachments(
    outcome: Outcome,
    about: About,
    connect: Callable[[], AbstractContextManager[Connection]],
    checkpoint: Callable[[], None],
) -> Attachments:
    """Report and figures of ``outcome``; raises nothing but Interrupted, from ``checkpoint``.

    ``connect`` gives the connection that the report's maps are read with.
    """
    notes: list[str] = []
    return Attachments(
        report=_file(_REPORT, lambda: _report(outcome, about, connect), notes, checkpoint),
        figures=_file(_FIGURES, outcome.figures, notes, checkpoint),
        notes=tuple(notes),
    )


def _report(
    outcome: Outcome, about: About, connect: Callable[[], AbstractContextManager[Connection]]
) -> tuple[str, bytes]:
    with connect() as connection:
        report = outcome.report(connection, about)
    return "report.pdf", render_pdf(report)


def _file(
    what: str,
    make: Callable[[], tuple[str, bytes]],
    notes: list[str],
    checkpoint: Callable[[], None],
) -> Upload | None:
    try:
        name, content = make()
    except Interrupted:
        raise
    except Exception:  # noqa: BLE001 - whatever is wrong with a picture, the result is right
        # A query that was cancelled because the job has to stop is no fault of the report.
        checkpoint()
        _log.error("report.failed", file=what, exc_info=True)
        notes.append(f"{what} could not be made.")
        return None
    if len(content) > MAX_UPLOAD_BYTES:
        _log.warning("report.too_large", file=name, bytes=len(content), limit=MAX_UPLOAD_BYTES)
        notes.append(f"{what} is too large for an e-mail.")
        return None
    return upload(content, name)
