"""The commands of reference data as a person uses them: what they print and how they exit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psycopg
import pytest

from tests.fakes.commands import run_command
from tests.fakes.reference_files import write_rates
from tests.fakes.reference_manifest import put_data_set
from worker.demo.aws import AwsEmulator


def reference(url: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run_command("reference", *arguments, **variables, DATABASE_URL=url)


def test_versions_are_switched_back_and_forth_and_the_history_says_so(
    database_url: str, tmp_path: Path
) -> None:
    write_rates(tmp_path, [("Fen", 2.4, 120)])
    for label in ("May", "June"):
        assert reference(database_url, "load", str(tmp_path), "--label", label).returncode == 0

    back = reference(database_url, "rollback", "--reason", "June is wrong")
    again = reference(database_url, "rollback")
    forth = reference(database_url, "activate", "--label", "June")
    named = reference(database_url, "activate", "rates_lookup=1")
    shown = reference(database_url, "history")

    assert back.stdout == "rates_lookup: version 1 is active now\n"
    assert again.returncode == 65
    assert again.stderr.startswith("rollback_impossible: ")
    assert forth.stdout == "rates_lookup: version 2 is active now\n"
    assert named.stdout == "rates_lookup: version 1 is active now\n"
    told = [line for line in shown.stdout.splitlines() if "rates_lookup" in line]
    for line, words in zip(told, ("activate", "activate", "rollback", "load", "load"), strict=True):
        assert words in line
    assert "June is wrong" in told[2]


def test_a_load_is_forced_only_with_a_reason(database_url: str, tmp_path: Path) -> None:
    write_rates(tmp_path, [("Fen", 40, 120)])

    refused = reference(database_url, "load", str(tmp_path))
    unexplained = reference(database_url, "load", str(tmp_path), "--force")
    not_forced = reference(database_url, "load", str(tmp_path), "--reason", "a hotel")
    forced = reference(database_url, "load", str(tmp_path), "--force", "--reason", "a hotel")

    assert refused.returncode == not_forced.returncode == 65
    assert "occupancy_rate" in refused.stderr
    assert unexplained.returncode == 64
    assert forced.returncode == 0
    assert "error: rates_lookup: 1 value(s) of occupancy_rate" in forced.stdout
    assert "a hotel" in reference(database_url, "history").stdout


def test_prune_shows_and_then_drops(database_url: str, tmp_path: Path) -> None:
    write_rates(tmp_path, [("Fen", 2.4, 120)])
    for _ in range(3):
        assert reference(database_url, "load", str(tmp_path), "--label", "May").returncode == 0
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE reference.switches SET made_at = made_at - interval '1 hour'")

    looked = reference(database_url, "prune", "--dry-run")
    dropped = reference(database_url, "prune")
    again = reference(database_url, "prune")
    listed = reference(database_url, "list")

    assert looked.stdout.splitlines()[-1] == "nothing was dropped: --dry-run"
    assert looked.stdout.splitlines()[0] == dropped.stdout.splitlines()[0]
    assert dropped.stdout.startswith("rates_lookup: version 1 (May), 1 rows, ")
    assert dropped.stdout.splitlines()[-1] == "dropped 1 version(s)"
    assert again.stdout == "nothing to drop\n"
    assert (listed.stdout.count(" active "), listed.stdout.count(" kept ")) == (1, 1)
    assert "(pruned)" in reference(database_url, "history").stdout


def test_a_manifest_in_s3_is_loaded_without_a_queue(
    database_url: str, tmp_path: Path, aws: AwsEmulator, bucket: str
) -> None:
    key = put_data_set(aws, bucket, {"rates_lookup": write_rates(tmp_path, [("Fen", 2.4, 120)])})
    variables = {**aws.environment, "S3_REFERENCE_BUCKET": bucket}

    first = reference(database_url, "load", "--manifest", key, **variables)
    again = reference(database_url, "load", "--manifest", key, **variables)

    assert first.returncode == 0, first.stderr
    assert "active now: 2026-11" in first.stdout
    assert again.stdout == "active already: 2026-11\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("load",),
        ("load", "folder", "--manifest", "key"),
        ("load", "--manifest", "key", "--label", "May"),
        ("activate",),
        ("activate", "rates_lookup=1", "--label", "May"),
        ("activate", "rates_lookup"),
        ("activate", "rates_lookup=new"),
        ("rollback", "--force"),
        ("prune", "--keep", "0"),
    ],
)
def test_a_wrong_use_of_reference_commands_exits_64(
    database_url: str, arguments: tuple[str, ...]
) -> None:
    assert reference(database_url, *arguments).returncode == 64
