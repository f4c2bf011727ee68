"""Versions are switched together, with a record, and dropped only when nobody needs them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.ledger import LedgerBench, new_job
from tests.fakes.reference_files import catchment, write_catchments, write_rates
from worker.clients.db import Connection
from worker.errors import ReferenceDataError, TransientError
from worker.ledger.models import Claim
from worker.reference import lifecycle
from worker.reference.checks import ReferenceChecksFailed
from worker.reference.inventory import history, list_versions
from worker.reference.load import load_directory
from worker.reference.lock import only_change
from worker.reference.switch import Cause
from worker.reference.versions import active_versions

ANN = Cause("ann", "because")


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def load(
    connection: Connection,
    directory: Path,
    *,
    rates: tuple[str, ...] = (),
    catchments: tuple[str, ...] = (),
    label: str = "test",
    forced_because: str | None = None,
) -> None:
    """Load a new version of the rates, of the catchments, or of both."""
    directory.mkdir(exist_ok=True)
    for file in directory.iterdir():
        file.unlink()
    if rates:
        write_rates(directory, [(name, 2.4, 120) for name in rates])
    if catchments:
        write_catchments(directory, [catchment(n, name) for n, name in enumerate(catchments)])
    load_directory(
        connection, directory, label=label, loaded_by="ann", forced_because=forced_because
    )


def active(connection: Connection) -> dict[str, int]:
    return {name: one.version for name, one in active_versions(connection).layers.items()}


def tables(connection: Connection) -> set[str]:
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'reference'::regnamespace"
        " AND relkind = 'r' AND relname ~ '_v[0-9]+$'"
    ).fetchall()
    return {row[0] for row in rows}


def test_named_versions_are_activated_together_and_recorded(
    tmp_path: Path, connection: Connection
) -> None:
    for _ in range(2):
        load(connection, tmp_path / "in", rates=("Fen",), catchments=("Fen",))

    switched = lifecycle.activate(connection, {"rates_lookup": 1, "nn_catchments": 1}, ANN)

    assert switched.versions == {"rates_lookup": 1, "nn_catchments": 1}
    assert active(connection) == {"rates_lookup": 1, "nn_catchments": 1}
    newest = [entry for entry in history(connection, limit=10) if entry.switch_id == 3]
    assert [
        (one.action, one.made_by, one.reason, one.layer, one.previous_version, one.version)
        for one in newest
    ] == [
        ("activate", "ann", "because", "nn_catchments", 2, 1),
        ("activate", "ann", "because", "rates_lookup", 2, 1),
    ]


def test_history_says_what_was_loaded_from_which_file(
    tmp_path: Path, connection: Connection
) -> None:
    load(connection, tmp_path / "in", rates=("Fen", "Mere"), label="June")

    (entry,) = history(connection, limit=10)

    (version,) = list_versions(connection)
    assert (entry.action, entry.layer, entry.previous_version, entry.version) == (
        *("load", "rates_lookup", None, 1),
    )
    assert (entry.label, entry.row_count, entry.made_by) == ("June", 2, "ann")
    assert entry.source_sha256 == version.source_sha256
    assert (version.activated_by, version.is_active) == ("ann", True)


def test_a_label_activates_every_layer_that_has_it(tmp_path: Path, connection: Connection) -> None:
    load(connection, tmp_path / "in", rates=("Fen",), catchments=("Fen",), label="May")
    load(connection, tmp_path / "in", rates=("Fen",), label="June")
    load(connection, tmp_path / "in", rates=("Fen",), label="May")
    load(connection, tmp_path / "in", rates=("Fen",), label="July")

    lifecycle.activate_label(connection, "May", ANN)

    assert active(connection) == {"rates_lookup": 3, "nn_catchments": 1}
    with pytest.raises(ReferenceDataError) as raised:
        lifecycle.activate_label(connection, "August", ANN)
    assert raised.value.code == "reference_label_unknown"


def test_what_is_active_already_is_not_switched(tmp_path: Path, connection: Connection) -> None:
    load(connection, tmp_path / "in", rates=("Fen",))

    assert lifecycle.activate(connection, {"rates_lookup": 1}, ANN).versions == {}
    assert len(history(connection, limit=10)) == 1


@pytest.mark.parametrize("wanted", [{"rates_lookup": 9}, {"nonsense": 1}, {"nn_catchments": 1}])
def test_a_version_that_is_not_loaded_is_not_activated(
    tmp_path: Path, connection: Connection, wanted: dict[str, int]
) -> None:
    load(connection, tmp_path / "in", rates=("Fen",))
    load(connection, tmp_path / "in", rates=("Fen",))

    with pytest.raises(ReferenceDataError) as raised:
        lifecycle.activate(connection, {"rates_lookup": 1, **wanted}, ANN)

    assert raised.value.code == "reference_version_unknown"
    assert active(connection) == {"rates_lookup": 2}


def test_versions_that_do_not_fit_together_are_activated_only_by_force(
    tmp_path: Path, connection: Connection
) -> None:
    load(connection, tmp_path / "in", rates=("Fen",), catchments=("Fen",))
    load(connection, tmp_path / "in", rates=("Mere",), catchments=("Mere",))

    with pytest.raises(ReferenceChecksFailed):
        lifecycle.activate(connection, {"rates_lookup": 1}, ANN)
    assert active(connection)["rates_lookup"] == 2
    switched = lifecycle.activate(connection, {"rates_lookup": 1}, ANN, forced=True)

    assert [finding.code for finding in switched.findings] == ["rates_missing"]
    assert history(connection, limit=1)[0].action == "forced"


def test_rollback_undoes_the_last_switch_with_all_its_layers(
    tmp_path: Path, connection: Connection
) -> None:
    load(connection, tmp_path / "in", rates=("Fen",), catchments=("Fen",))
    load(connection, tmp_path / "in", rates=("Fen",))
    load(connection, tmp_path / "in", rates=("Mere",), catchments=("Mere",))

    switched = lifecycle.roll_back(connection, (), ANN)

    assert switched.versions == {"rates_lookup": 2, "nn_catchments": 1}
    assert active(connection) == {"rates_lookup": 2, "nn_catchments": 1}
    assert history(connection, limit=1)[0].action == "rollback"


def test_rollback_of_a_layer_undoes_its_own_last_switch(
    tmp_path: Path, connection: Connection
) -> None:
    for _ in range(2):
        load(connection, tmp_path / "in", rates=("Fen",))
    load(connection, tmp_path / "in", catchments=("Fen",))

    lifecycle.roll_back(connection, ("rates_lookup",), ANN)

    assert active(connection) == {"rates_lookup": 1, "nn_catchments": 1}


def test_a_rollback_is_not_rolled_back(tmp_path: Path, connection: Connection) -> None:
    for _ in range(2):
        load(connection, tmp_path / "in", rates=("Fen",))
    lifecycle.roll_back(connection, (), ANN)

    with pytest.raises(ReferenceDataError) as raised:
        lifecycle.roll_back(connection, (), Cause("bob"))

    assert raised.value.code == "rollback_impossible"
    assert "rates_lookup was rolled back already" in raised.value.sentence
    assert active(connection) == {"rates_lookup": 1}


def test_rollback_says_for_each_layer_why_there_is_no_way_back(
    tmp_path: Path, connection: Connection
) -> None:
    with pytest.raises(ReferenceDataError, match="nothing was loaded yet"):
        lifecycle.roll_back(connection, (), ANN)
    load(connection, tmp_path / "in", rates=("Fen",))
    with pytest.raises(ReferenceDataError, match="rates_lookup had no version before 1"):
        lifecycle.roll_back(connection, (), ANN)
    with pytest.raises(ReferenceDataError, match="gcn_ponds was never loaded"):
        lifecycle.roll_back(connection, ("gcn_ponds",), ANN)
    for _ in range(2):
        load(connection, tmp_path / "in", rates=("Fen",))
    lifecycle.activate(connection, {"rates_lookup": 1}, ANN)
    lifecycle.activate(connection, {"rates_lookup": 3}, ANN)
    lifecycle.prune(connection, keep=1, grace_s=0)
    with pytest.raises(ReferenceDataError, match="version 1 of rates_lookup was pruned"):
        lifecycle.roll_back(connection, (), ANN)
    connection.execute("UPDATE reference.active_versions SET version = 1")
    with pytest.raises(ReferenceDataError, match="rates_lookup has moved to version 1 outside"):
        lifecycle.roll_back(connection, (), ANN)


def test_prune_drops_the_rows_of_old_versions_and_keeps_their_numbers(
    tmp_path: Path, connection: Connection
) -> None:
    for _ in range(4):
        load(connection, tmp_path / "in", rates=("Fen",), catchments=("Fen",))

    shown = lifecycle.prunable(connection, keep=2, grace_s=0)
    assert len(tables(connection)) == 12
    dropped = lifecycle.prune(connection, keep=2, grace_s=0)

    assert dropped == shown
    assert {(one.layer, one.version) for one in dropped} == {
        (layer, version) for layer in ("nn_catchments", "rates_lookup") for version in (1, 2)
    }
    assert all(one.size_bytes > 0 for one in dropped)
    assert tables(connection) == {
        f"{layer}_v{version}"
        for layer in ("nn_catchments", "nn_catchments_parts", "rates_lookup")
        for version in (3, 4)
    }
    load(connection, tmp_path / "in", rates=("Fen",))
    assert active(connection)["rates_lookup"] == 5


def test_the_number_of_a_pruned_newest_version_is_not_used_again(
    tmp_path: Path, connection: Connection
) -> None:
    for _ in range(3):
        load(connection, tmp_path / "in", rates=("Fen",))
    lifecycle.activate(connection, {"rates_lookup": 1}, ANN)
    connection.execute("UPDATE reference.layer_versions SET status = 'pruned' WHERE version = 3")

    load(connection, tmp_path / "in", rates=("Fen",))

    assert active(connection) == {"rates_lookup": 4}


def test_prune_keeps_the_active_version_however_old_it_is(
    tmp_path: Path, connection: Connection
) -> None:
    for _ in range(3):
        load(connection, tmp_path / "in", rates=("Fen",))
    lifecycle.activate(connection, {"rates_lookup": 1}, ANN)

    dropped = lifecycle.prune(connection, keep=1, grace_s=0)

    assert [one.version for one in dropped] == [2]
    rows = connection.execute("SELECT nn_catchment FROM reference.rates_lookup WHERE version = 1")
    assert rows.fetchall() == [("Fen",)]


def test_prune_keeps_what_a_running_job_has_pinned(
    tmp_path: Path, connection: Connection, database_url: str
) -> None:
    for _ in range(3):
        load(connection, tmp_path / "in", rates=("Fen",))
    bench = LedgerBench(database_url)
    with psycopg.connect(database_url) as claiming:
        claim = bench.ledger.claim(
            claiming, new_job(), worker_id="w", lease_s=60, pinned={"rates_lookup": 1}
        )
    assert isinstance(claim, Claim)

    assert [one.version for one in lifecycle.prune(connection, keep=1, grace_s=0)] == [2]
    bench.ledger.succeed(claim, {}, ())
    assert [one.version for one in lifecycle.prune(connection, keep=1, grace_s=0)] == [1]


def test_prune_keeps_what_was_active_a_moment_ago(tmp_path: Path, connection: Connection) -> None:
    for _ in range(3):
        load(connection, tmp_path / "in", rates=("Fen",))

    assert lifecycle.prune(connection, keep=1) == []
    connection.execute("UPDATE reference.switches SET made_at = made_at - interval '11 minutes'")
    assert [one.version for one in lifecycle.prune(connection, keep=1)] == [1, 2]


def test_prune_does_not_wait_long_for_a_reader(
    tmp_path: Path, connection: Connection, database_url: str
) -> None:
    for _ in range(2):
        load(connection, tmp_path / "in", rates=("Fen",))
    with psycopg.connect(database_url) as reader:
        reader.execute("SELECT * FROM reference.rates_lookup WHERE version = 1")

        with pytest.raises(psycopg.errors.LockNotAvailable):
            lifecycle.prune(connection, keep=1, grace_s=0)

    assert {one.version for one in list_versions(connection)} == {1, 2}
    assert [one.version for one in lifecycle.prune(connection, keep=1, grace_s=0)] == [1]


def test_nothing_is_switched_or_pruned_while_a_load_runs(
    tmp_path: Path, connection: Connection, database_url: str
) -> None:
    for _ in range(3):
        load(connection, tmp_path / "in", rates=("Fen",))
    with psycopg.connect(database_url) as loading, only_change(loading):
        for change in (
            lambda: lifecycle.activate(connection, {"rates_lookup": 1}, ANN),
            lambda: lifecycle.roll_back(connection, (), ANN),
            lambda: lifecycle.prune(connection, keep=1, grace_s=0),
        ):
            with pytest.raises(TransientError) as raised:
                change()
            assert raised.value.code == "reference_load_running"
    assert active(connection) == {"rates_lookup": 3}


_NAMES = st.sampled_from([("Fen",), ("Fen", "Mere")])
_LAYERS = ("rates_lookup", "nn_catchments")
_STEPS = st.one_of(
    st.tuples(st.just("load"), st.sampled_from([*_LAYERS, "both"]), _NAMES),
    st.tuples(st.just("activate"), st.sampled_from(_LAYERS), st.integers(1, 12)),
    st.tuples(st.just("rollback"), st.lists(st.sampled_from(_LAYERS), unique=True)),
    st.tuples(st.just("prune"), st.integers(1, 3)),
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(_STEPS, min_size=1, max_size=8))
def test_whatever_is_done_pointers_name_versions_that_are_whole(
    tmp_path: Path, connection: Connection, steps: list[tuple[object, ...]]
) -> None:
    for step in steps:
        before = active(connection)
        try:
            _take(connection, tmp_path / "in", step)
        except ReferenceDataError:
            assert active(connection) == before, "a refusal changes nothing"
        for layer, version in active(connection).items():
            rows = connection.execute(
                f"SELECT count(*) FROM reference.{layer} WHERE version = {version}"
            ).fetchone()
            recorded = connection.execute(
                "SELECT row_count, status FROM reference.layer_versions"
                " WHERE layer = %s AND version = %s",
                (layer, version),
            ).fetchone()
            assert rows is not None
            assert recorded == (rows[0], "ready")
        last = {entry.layer: entry.version for entry in reversed(history(connection, limit=10_000))}
        assert last == active(connection), "the history ends with what is active"


def _take(connection: Connection, directory: Path, step: tuple[object, ...]) -> None:
    match step:
        case ("load", str() as which, tuple() as names):
            load(
                connection,
                directory,
                rates=names if which in ("rates_lookup", "both") else (),
                catchments=names if which in ("nn_catchments", "both") else (),
            )
        case ("activate", str() as layer, int() as version):
            lifecycle.activate(connection, {layer: version}, ANN)
        case ("rollback", list() as layers):
            lifecycle.roll_back(connection, layers, ANN)
        case ("prune", int() as keep):
            lifecycle.prune(connection, keep=keep, grace_s=0)
        case _:
            raise AssertionError(step)
