"""The export's manifest as a table: what a reader of the archives finds in them."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.table import Table

from worker.water.export_manifest import ExportManifest


def manifest_table(manifest: Mapping[str, object]) -> Table:
    """One line an archive, with its size, and one a table in it, before compression."""
    export = ExportManifest.model_validate(manifest)
    taken_at = export.snapshot_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"[bold]export/manifest.json[/bold]: {export.status}, all of it as at {taken_at}",
        title_justify="left",
    )
    for heading in ("Archive", "File in it"):
        table.add_column(heading)
    for heading in ("Rows", "Bytes"):
        table.add_column(heading, justify="right")
    for schema in export.schemas:
        table.add_section()
        if schema.error is not None:
            table.add_row(schema.key, f"[red]{schema.error}[/red]", "", "")
            continue
        table.add_row(
            schema.key,
            f"all of these, compressed; sha256 {(schema.sha256 or '')[:12]}…",
            f"{schema.rows:,}",
            f"{schema.bytes or 0:,}",
        )
        for member in schema.tables:
            table.add_row("", f"{member.name}.csv", f"{member.rows:,}", f"{member.csv_bytes:,}")
    return table
