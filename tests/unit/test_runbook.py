"""The runbook knows every event that the worker logs; docs/events.md says what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.events import PAGE, REPOSITORY, UnclearEvent, described, logged_events, page

_SOURCE = """
_SETTLED = {1: "message.deleted", 2: "message.kept"}

def settle(number, event="job.done"):
    fields = {"job_id": "1", "kind": "a"}
    _log.info(_SETTLED[number], message_id="m")
    _log.warning(event, **fields, **describe(number))
    self._log.exception("job.crashed", job_id="1")
    logger(__name__).debug("job.seen", **unknown)
    total.info("no.event")

def describe(error):
    return {"error_code": error.code}

settle(1, "job.failed")
_log.error("job.done", exc_info=True)
"""


def test_every_event_is_in_the_runbook_and_no_other() -> None:
    runbook = (REPOSITORY / "docs" / "runbook.md").read_text(encoding="utf-8")
    assert sorted(logged_events()) == sorted(described(runbook))


def test_the_page_of_events_is_what_the_code_logs() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: make events"


def test_events_are_found_however_they_are_logged(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(_SOURCE)
    found = logged_events(tmp_path)
    exception = ["error.type", "error.message", "error.stack_trace"]
    assert {name: (event.levels, list(event.fields)) for name, event in found.items()} == {
        "job.crashed": ({"error"}, ["job_id", *exception]),
        "job.done": ({"warning", "error"}, ["job_id", "kind", "error_code", *exception]),
        "job.failed": ({"warning"}, ["job_id", "kind", "error_code"]),
        "job.seen": ({"debug"}, ["…"]),
        "message.deleted": ({"info"}, ["message_id"]),
        "message.kept": ({"info"}, ["message_id"]),
    }


def test_an_event_that_nobody_can_read_off_the_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text('_log.info(f"job.{verb}")')
    with pytest.raises(UnclearEvent, match=r"module\.py:1"):
        logged_events(tmp_path)
