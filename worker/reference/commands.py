"""Reference data as commands: progress while they run, a report at their end."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from worker.clients.db import Connection
from worker.errors import ReferenceDataError
from worker.reference import generate as generator
from worker.reference import lifecycle
from worker.reference.checks import Finding
from worker.reference.lifecycle import Switched
from worker.reference.load import load_directory
from worker.reference.progress import LogProgress, Progress
from worker.reference.report import LoadReport
from worker.reference.switch import Cause
from worker.reference.terminal import TerminalProgress
from worker.settings import AwsSettings


def load(
    connection: Connection,
    directory: Path,
    *,
    label: str | None,
    forced_because: str | None = None,
) -> None:
    """Load ``directory`` and print what was loaded, kept and found; raises as load_directory."""
    name = label or f"{datetime.now(UTC):%Y-%m-%d %H:%M}"
    with _progress() as progress:
        report = load_directory(
            connection,
            directory,
            label=name,
            loaded_by=_who(),
            forced_because=forced_because,
            progress=progress,
        )
    _print(report)


def load_from_s3(
    connection: Connection,
    aws: AwsSettings,
    manifest_key: str,
    *,
    bucket: str | None,
    forced_because: str | None,
) -> None:
    """Load what a manifest in S3 names and print it; raises as load_manifest."""
    # boto3 is slow to import, and loading a directory does not need it.
    from worker.clients.s3 import ReferenceStore
    from worker.reference.manifest import ManifestObject, load_manifest

    connection.autocommit = True
    place = ManifestObject(
        bucket or aws.default_reference_bucket, manifest_key, aws.s3_max_reference_bytes
    )
    with _progress() as progress:
        loaded = load_manifest(
            connection,
            ReferenceStore(aws),
            place,
            Cause(_who(), forced_because),
            progress=progress,
        )
    if loaded.report is None:
        print(f"active already: {loaded.data_version}")
    else:
        _print(loaded.report)


def activate(
    connection: Connection,
    versions: Mapping[str, int],
    *,
    label: str | None,
    reason: str | None,
    forced: bool,
) -> None:
    """Activate ``versions``, or those of ``label``, and print them; raises as lifecycle does."""
    cause = Cause(_who(), reason)
    if label is None:
        switched = lifecycle.activate(connection, versions, cause, forced=forced)
    else:
        switched = lifecycle.activate_label(connection, label, cause, forced=forced)
    _print_switched(switched)


def roll_back(
    connection: Connection, layers: Sequence[str], *, reason: str | None, forced: bool
) -> None:
    """Undo the last switch and print what is active instead; raises as lifecycle does."""
    _print_switched(lifecycle.roll_back(connection, layers, Cause(_who(), reason), forced=forced))


def prune(connection: Connection, *, keep: int, dry_run: bool) -> None:
    """Drop what nobody needs, or with ``dry_run`` only look, and print it."""
    drop = lifecycle.prunable if dry_run else lifecycle.prune
    versions = drop(connection, keep=keep)
    for one in versions:
        print(
            f"{one.layer}: version {one.version} ({one.label}), {one.row_count:,} rows,"
            f" {one.size_bytes / 1e6:,.1f} MB"
        )
    if not versions:
        print("nothing to drop")
    elif dry_run:
        print("nothing was dropped: --dry-run")
    else:
        print(f"dropped {len(versions)} version(s)")


def generate(
    directory: Path, *, seed: int, cells: int, extent: str | None, from_dir: Path | None
) -> None:
    """Write a synthetic data set and print its files; raises as ``generate.generate``."""
    with _progress() as progress:
        files = generator.generate(
            directory,
            seed=seed,
            cells=cells,
            extent=None if extent is None else _extent(extent),
            from_dir=from_dir,
            progress=progress,
        )
    for file in files:
        print(f"{file.path}  {file.row_count:,} rows")


@contextmanager
def _progress() -> Iterator[Progress]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield LogProgress()
        return
    with TerminalProgress(console) as bars:
        yield bars


def _print(report: LoadReport) -> None:
    for layer in report.layers:
        print(
            f"{layer.layer}: version {layer.version}, {layer.row_count:,} rows"
            f" from {layer.source_name} in {layer.seconds:.1f} s"
        )
    _print_findings((*report.overridden, *report.warnings))
    if report.kept:
        print(f"kept as they are: {', '.join(report.kept)}")
    if report.absent:
        print(f"not loaded: {', '.join(report.absent)}")
    print(f"active now: {report.label}")


def _print_switched(switched: Switched) -> None:
    for layer, version in sorted(switched.versions.items()):
        print(f"{layer}: version {version} is active now")
    if not switched.versions:
        print("active already: nothing was changed")
    _print_findings(switched.findings)


def _print_findings(findings: Sequence[Finding]) -> None:
    for finding in findings:
        print(f"{finding.severity}: {finding}")


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        return f"uid {os.getuid()}"


def _extent(text: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise ReferenceDataError(
            "extent_invalid", "The extent has to be west,south,east,north in metres."
        ) from None
    return west, south, east, north
