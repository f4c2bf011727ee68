"""The demo's pages show a new user what matters, once."""

from __future__ import annotations

import pytest

from worker.demo.printout import Printout

_ALWAYS = {
    "@timestamp": "2026-06-15T07:15:09.123Z",
    "log.level": "info",
    "ecs.version": "8.11.0",
    "correlation_id": "trace-1",
    "trace.id": "trace-1",
    "job_id": "job-1",
    "reference_versions": {"nn_catchments": 4, "wwtw_lookup": 2},
}


def test_log_lines_have_their_own_fields_and_say_once_what_is_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    claimed = {**_ALWAYS, "message": "job.claimed", "event.action": "job.claimed", "attempt": 1}
    succeeded = {**claimed, "message": "job.succeeded", "event.duration": 5, "duration_s": 3.8}
    Printout().log("trace-1", (claimed, succeeded))

    _, first, second = capsys.readouterr().out.strip().splitlines()
    assert first.split("  ")[0] == "07:15:09.123"
    assert "job_id=job-1  reference_versions=nn_catchments 4, wwtw_lookup 2  attempt=1" in first
    assert second.split() == ["07:15:09.123", "job.succeeded", "attempt=1", "duration_s=3.8"]
