"""Finds the sources of layers in a directory, by the names of files and of tables in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from worker.errors import ReferenceDataError
from worker.reference.geopackage import read_only
from worker.reference.layers import LAYERS, Layer

_CHUNK = 1 << 20


class Format(StrEnum):
    """How a source is read."""

    GEOPACKAGE = "GeoPackage"
    SHAPEFILE = "shapefile"
    FILE_GEODATABASE = "file geodatabase"
    SQLITE = "SQLite"
    CSV = "CSV"


@dataclass(frozen=True, slots=True)
class Source:
    """Where one layer comes from; ``table`` is the name inside the file."""

    layer: Layer
    path: Path
    table: str
    format: Format

    @property
    def name(self) -> str:
        """What to call it in a report: the file, and the table if that is named otherwise."""
        if self.path.stem == self.table:
            return self.path.name
        return f"{self.path.name}:{self.table}"

    def sha256(self) -> str:
        """Hash of everything that belongs to the source's file."""
        return sha256_of(self.path)


def find_sources(directory: Path) -> tuple[Source, ...]:
    """One source for each layer that ``directory`` holds, in the order of ``LAYERS``.

    Raises ReferenceDataError ``reference_directory_missing``, ``reference_directory_empty`` if no
    layer is recognised, and ``reference_source_ambiguous`` if a layer is there twice.
    """
    if not directory.is_dir():
        raise ReferenceDataError(
            "reference_directory_missing", f"{directory} is not a directory of reference data."
        )
    found: dict[str, Source] = {}
    for path in sorted(directory.iterdir()):
        for source in _sources_in(path):
            other = found.setdefault(source.layer.name, source)
            if other is not source:
                raise ReferenceDataError(
                    "reference_source_ambiguous",
                    f"{source.layer.name} is in the directory twice: "
                    f"{other.name} and {source.name}. Remove one of them.",
                )
    if not found:
        raise ReferenceDataError(
            "reference_directory_empty",
            f"{directory} holds no reference layer. Files or tables are recognised by name: "
            f"{', '.join(layer.name for layer in LAYERS)}.",
        )
    return tuple(found[layer.name] for layer in LAYERS if layer.name in found)


def source_in(path: Path, layer: Layer) -> Source:
    """The source of ``layer`` in one file that is known to hold it.

    Raises ReferenceDataError ``reference_layer_not_in_file`` if no table has its name, unless the
    file has a single table, and ``reference_format_unknown``.
    """
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ReferenceDataError(
            "reference_format_unknown",
            f"{path.name} is in no format that can be read: {', '.join(_FORMATS)}.",
        )
    tables = _tables(path, kind)
    matching = [table for table in tables if layer.matches(table)] or list(tables)
    if len(matching) != 1:
        raise ReferenceDataError(
            "reference_layer_not_in_file",
            f"{path.name} has no table {layer.name}, or several; it has {', '.join(tables)}.",
        )
    return Source(layer, path, matching[0], kind)


def _sources_in(path: Path) -> Iterator[Source]:
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        return
    tables = _tables(path, kind)
    for layer in LAYERS:
        matching = [table for table in tables if layer.matches(table)]
        # A file with a single table may be named after the layer instead.
        if not matching and len(tables) == 1 and layer.matches(path.stem):
            matching = list(tables)
        for table in matching:
            yield Source(layer, path, table, kind)


def _tables(path: Path, kind: Format) -> tuple[str, ...]:
    match kind:
        case Format.GEOPACKAGE:
            query = "SELECT table_name FROM gpkg_contents ORDER BY table_name"
        case Format.SQLITE:
            query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name"
        case Format.FILE_GEODATABASE:
            import fiona

            return tuple(fiona.listlayers(path))
        case Format.SHAPEFILE | Format.CSV:
            return (path.stem,)
    with closing(read_only(path)) as database:
        return tuple(str(row[0]) for row in database.execute(query))


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file; a geodatabase is a directory, a shapefile several of one name."""
    digest = hashlib.sha256()
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
    elif path.suffix.lower() == ".shp":
        files = sorted(file for file in path.parent.iterdir() if file.stem == path.stem)
    else:
        files = [path]
    for file in files:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


_FORMATS = {
    ".gpkg": Format.GEOPACKAGE,
    ".shp": Format.SHAPEFILE,
    ".gdb": Format.FILE_GEODATABASE,
    ".sqlite": Format.SQLITE,
    ".sqlite3": Format.SQLITE,
    ".db": Format.SQLITE,
    ".csv": Format.CSV,
}
