"""The commands of reference data: load, list, switch, prune, generate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker.cli_tools import console, open_database, read_settings

app = typer.Typer(help="Reference layers.", no_args_is_help=True)

Label = Annotated[str | None, typer.Option(help="Name of this version; default its date.")]
Reason = Annotated[str | None, typer.Option(help="Why; kept in the history.")]
Force = Annotated[
    bool, typer.Option("--force", help="Ignore failed checks that may be ignored; needs --reason.")
]


@app.command("load")
def load_reference(
    directory: Annotated[
        Path | None, typer.Argument(help="Folder with the layers' files.", show_default=False)
    ] = None,
    manifest: Annotated[
        str | None, typer.Option(help="Instead of a folder: key of a manifest in S3.")
    ] = None,
    bucket: Annotated[
        str | None, typer.Option(help="Of the manifest; default the first S3_REFERENCE_BUCKET.")
    ] = None,
    label: Label = None,
    force: Force = False,
    reason: Reason = None,
) -> None:
    """Load every layer of a folder, or of a manifest in S3, check it, and make it active."""
    from worker.reference import commands

    _check_force(force, reason)
    if (directory is None) == (manifest is None):
        raise typer.BadParameter("give either a folder or --manifest")
    if manifest is not None and label is not None:
        raise typer.BadParameter("--label goes with a folder; a manifest has its own")
    # Only a forced load has a reason: to the loader it means that errors may be ignored.
    forced_because = reason if force else None
    settings = read_settings()
    with open_database(settings) as database, database.dedicated() as connection:
        if directory is not None:
            commands.load(connection, directory, label=label, forced_because=forced_because)
        elif manifest is not None:
            commands.load_from_s3(
                connection, settings.aws, manifest, bucket=bucket, forced_because=forced_because
            )


@app.command("list")
def list_reference() -> None:
    """The versions of every layer, the active one marked."""
    from worker.reference.inventory import list_versions, versions_table

    with open_database(read_settings()) as database, database.connection() as connection:
        console().print(versions_table(list_versions(connection)))


@app.command("activate")
def activate_reference(
    versions: Annotated[
        list[str] | None, typer.Argument(metavar="LAYER=VERSION...", show_default=False)
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Every layer's newest version of this name.")
    ] = None,
    force: Force = False,
    reason: Reason = None,
) -> None:
    """Make loaded versions the active ones, together."""
    from worker.reference import commands

    _check_force(force, reason)
    if bool(versions) == (label is not None):
        raise typer.BadParameter("give either LAYER=VERSION or --label")
    wanted = dict(map(_layer_and_version, versions or ()))
    with open_database(read_settings()) as database, database.dedicated() as connection:
        commands.activate(connection, wanted, label=label, reason=reason, forced=force)


@app.command("rollback")
def roll_back_reference(
    layers: Annotated[
        list[str] | None,
        typer.Argument(help="Default: all layers of the last switch.", show_default=False),
    ] = None,
    force: Force = False,
    reason: Reason = None,
) -> None:
    """Undo the last switch: its layers go back to the versions they had before."""
    from worker.reference import commands

    _check_force(force, reason)
    with open_database(read_settings()) as database, database.dedicated() as connection:
        commands.roll_back(connection, layers or (), reason=reason, forced=force)


@app.command("prune")
def prune_reference(
    keep: Annotated[
        int, typer.Option(min=1, help="The newest versions of each layer to keep.")
    ] = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be dropped.")] = False,
) -> None:
    """Drop old versions that are neither active nor used by a running job."""
    from worker.reference import commands

    with open_database(read_settings()) as database, database.dedicated() as connection:
        commands.prune(connection, keep=keep, dry_run=dry_run)


@app.command("history")
def show_history(limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50) -> None:
    """What was active when, by whose doing and why; the newest first."""
    from worker.reference.inventory import history, history_table

    with open_database(read_settings()) as database, database.connection() as connection:
        console().print(history_table(history(connection, limit=limit)))


@app.command("generate")
def generate_reference(
    directory: Annotated[Path, typer.Argument(help="Folder for the layers' files.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same data.")] = 7,
    cells: Annotated[int, typer.Option(min=1, help="About how many coefficient cells.")] = 100_000,
    extent: Annotated[
        str | None, typer.Option(help="west,south,east,north in metres (EPSG:27700).")
    ] = None,
    from_dir: Annotated[
        Path | None,
        typer.Option("--from", help="Take this data set's catchments; write what is missing."),
    ] = None,
) -> None:
    """Write a synthetic data set in which the layers fit together."""
    from worker.reference.commands import generate

    generate(directory, seed=seed, cells=cells, extent=extent, from_dir=from_dir)


def _check_force(force: bool, reason: str | None) -> None:
    if force and not (reason and reason.strip()):
        raise typer.BadParameter("--force needs --reason TEXT, which is recorded")


def _layer_and_version(text: str) -> tuple[str, int]:
    layer, _, version = text.partition("=")
    if not version.isascii() or not version.isdigit():
        raise typer.BadParameter(f"{text} is not LAYER=VERSION, with the version's number")
    return layer, int(version)
