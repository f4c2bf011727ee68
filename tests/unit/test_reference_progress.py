"""Progress reaches a terminal as bars and a log as events; the list names what is not loaded."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
import structlog
from rich.console import Console

from worker.reference import progress as module
from worker.reference.inventory import LoadedVersion, versions_table
from worker.reference.layers import LAYERS
from worker.reference.progress import LogProgress
from worker.reference.terminal import TerminalProgress


def test_terminal_shows_rows_and_the_current_step() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)

    with TerminalProgress(console) as progress:
        progress.started("nn_catchments", 40)
        progress.advanced("nn_catchments", 30)
        progress.step("nn_catchments", "index")
        progress.finished("nn_catchments")

    shown = out.getvalue()
    assert "nn_catchments" in shown
    assert "30/40" in shown
    assert "done" in shown


def test_log_has_each_step_but_not_each_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOG_INTERVAL_S", 3600)
    with structlog.testing.capture_logs() as events:
        progress = LogProgress()
        progress.started("gcn_ponds", 10_000)
        progress.advanced("gcn_ponds", 5_000)
        progress.advanced("gcn_ponds", 5_000)
        progress.step("gcn_ponds", "index")
        progress.finished("gcn_ponds")

    assert {event["event"] for event in events} == {"reference.progress"}
    assert [(event["step"], event.get("rows")) for event in events] == [
        ("read", 0),
        ("index", None),
        ("done", 10_000),
    ]


def test_long_read_is_logged_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOG_INTERVAL_S", 0)
    with structlog.testing.capture_logs() as events:
        progress = LogProgress()
        progress.started("gcn_ponds", 10_000)
        progress.advanced("gcn_ponds", 5_000)

    assert [event["rows"] for event in events] == [0, 5_000]


def test_list_shows_active_kept_and_missing_layers() -> None:
    out = io.StringIO()
    when = datetime(2025, 6, 1, 9, 30, tzinfo=UTC)
    versions = [
        LoadedVersion(
            "nn_catchments", 2, "June", "ready", "a.gpkg", "0" * 64, 1234, "ann", when, when, "bob"
        ),
        LoadedVersion(
            "nn_catchments", 1, "May", "ready", "a.gpkg", "1" * 64, 1230, "ann", when, None, None
        ),
        LoadedVersion(
            "gcn_ponds", 1, "May", "loading", "b.gpkg", "2" * 64, 0, "ann", when, None, None
        ),
    ]

    Console(file=out, width=160).print(versions_table(versions))

    lines = [line.split() for line in out.getvalue().splitlines()]
    states = [line[1:6] for line in lines if "nn_catchments" in line]
    assert states == [
        ["nn_catchments", "│", "2", "│", "active"],
        ["nn_catchments", "│", "1", "│", "kept"],
    ]
    assert "1,234" in out.getvalue()
    assert out.getvalue().count("not loaded") == len(LAYERS) - 2
