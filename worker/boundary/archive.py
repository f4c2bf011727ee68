"""ZIP archives from users: checked by what they say, then again by what comes out of them.

Nothing is written under a name from the archive. What is kept is one shapefile's parts or one
GeoJSON file; the rest of the archive is never decompressed.
"""

from __future__ import annotations

import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from worker.boundary.limits import Limits
from worker.errors import BoundaryError

ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")

# Below this a high ratio is normal: a table of blanks shrinks a thousandfold and harms nobody.
RATIO_FLOOR_BYTES = 1024 * 1024
# .prj and .cpg hold one line of text.
MAX_TEXT_PART_BYTES = 64 * 1024

_END_RECORD = struct.Struct("<4s4H2LH")
_ZIP64_LOCATOR = b"PK\x06\x07"
_ZIP64_LOCATOR_SIZE = 20
_MAX_COMMENT = 0xFFFF
# A directory record has 46 bytes, a name and extra fields; longer ones belong to no boundary file.
_MAX_RECORD_BYTES = 1024

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:")
_ARCHIVE_SUFFIXES = frozenset(
    {".zip", ".kmz", ".7z", ".rar", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".cab", ".iso"}
)
_GEOJSON_SUFFIXES = frozenset({".geojson", ".json"})
_PART_SUFFIXES = (".shp", ".shx", ".dbf", ".prj", ".cpg")
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class ShapefileParts:
    """A shapefile on disk under our own name; GDAL is shown .shp, .shx and .dbf only."""

    shp: Path
    prj: bytes | None
    encoding: bytes | None


@dataclass(frozen=True, slots=True)
class GeoJsonFile:
    """A file that is to be read as GeoJSON."""

    path: Path


def unpack(archive: Path, target: Path, limits: Limits) -> ShapefileParts | GeoJsonFile:
    """Check ``archive`` and write the boundary in it below the directory ``target``.

    Raises BoundaryError: ``archive_rejected``, ``shapefile_incomplete``, ``not_a_boundary_file``.
    """
    _check_directory_size(archive, limits)
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
            _check_entries(entries, archive.stat().st_size, limits)
            return _extract(opened, _choose(entries), target, limits)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        struct.error,
        NotImplementedError,
        UnicodeDecodeError,  # of a name that is said to be in UTF-8
    ) as error:
        raise _damaged(str(error)) from error


def _rejected(sentence: str, *, detail: str = "") -> BoundaryError:
    return BoundaryError("archive_rejected", sentence, detail=detail)


def _damaged(detail: str) -> BoundaryError:
    return _rejected(
        "The ZIP file is damaged. Please create it again and send it once more.", detail=detail
    )


def _check_directory_size(archive: Path, limits: Limits) -> None:
    """Bound the directory before ``zipfile`` reads all of it into memory."""
    size = archive.stat().st_size
    with archive.open("rb") as file:
        start = max(0, size - _END_RECORD.size - _MAX_COMMENT - _ZIP64_LOCATOR_SIZE)
        file.seek(start)
        tail = file.read()
    found = tail.rfind(b"PK\x05\x06")
    if found < 0 or len(tail) - found < _END_RECORD.size:
        raise _rejected("The ZIP file is damaged or cut short: its directory is missing.")
    directory_bytes: int = _END_RECORD.unpack_from(tail, found)[5]
    locator = tail[max(0, found - _ZIP64_LOCATOR_SIZE) : found]
    if locator.startswith(_ZIP64_LOCATOR):
        raise _rejected("The ZIP file uses ZIP64, which is for files far larger than a boundary.")
    if directory_bytes > limits.max_entries * _MAX_RECORD_BYTES:
        raise _rejected(
            f"The ZIP file's list of files is longer than {limits.max_entries} files need."
            " Please put only the boundary into it."
        )


def _check_entries(entries: Sequence[zipfile.ZipInfo], size: int, limits: Limits) -> None:
    if len(entries) > limits.max_entries:
        raise _rejected(
            f"The ZIP file holds more than {limits.max_entries} files."
            " Please put only the boundary into it."
        )
    seen: set[str] = set()
    for entry in entries:
        name = _name(entry)
        _check_name(name)
        if entry.flag_bits & 0x41:
            raise _rejected("The ZIP file is encrypted. Please send it without a password.")
        if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise _rejected("The ZIP file uses an unusual compression. Please create a plain ZIP.")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
            raise _rejected("The ZIP file holds a link or a device, which is not allowed.")
        if not 0 <= entry.header_offset < size:
            raise _damaged("an entry lies outside of the file")
        # As a path, so that ./a and a//b are what a file system takes them for.
        folded = unicodedata.normalize("NFC", str(PurePosixPath(name))).casefold()
        if folded in seen:
            raise _rejected("The ZIP file holds the same file name twice.")
        seen.add(folded)
    _check_expansion(entries, limits)


def _name(entry: zipfile.ZipInfo) -> str:
    """What the archive calls it, with / between folders, for which some programs write a backslash.

    ``filename`` would end at a NUL byte.
    """
    return entry.orig_filename.replace("\\", "/")


def _check_name(name: str) -> None:
    parts = name.split("/")
    if (
        not name
        or _CONTROL.search(name)
        or name.startswith("/")
        or _DRIVE.match(name)
        or ".." in parts
    ):
        raise _rejected(
            "The ZIP file holds a file name that points outside of it or has forbidden characters."
        )


def _check_expansion(entries: Sequence[zipfile.ZipInfo], limits: Limits) -> None:
    expanded = sum(entry.file_size for entry in entries)
    compressed = sum(entry.compress_size for entry in entries)
    if expanded > limits.max_expanded_bytes:
        raise _expands_too_far(limits)
    if expanded > RATIO_FLOOR_BYTES and expanded > compressed * limits.max_ratio:
        raise _rejected("The ZIP file is compressed far more than a boundary ever is.")


def _expands_too_far(limits: Limits) -> BoundaryError:
    return _rejected(
        f"The ZIP file unpacks to more than {limits.max_expanded_bytes // (1024 * 1024)} MB."
    )


def _choose(entries: Sequence[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """Suffix → entry of the one boundary in the archive."""
    named = [(_name(entry), entry) for entry in entries]
    files = [(PurePosixPath(name), entry) for name, entry in named if not name.endswith("/")]
    kept = [(path, entry) for path, entry in files if not _is_clutter(path)]
    if any(path.suffix.lower() in _ARCHIVE_SUFFIXES for path, _ in kept):
        raise _rejected("The ZIP file holds another archive. Please put the files in directly.")
    boundaries = [
        (path, entry)
        for path, entry in kept
        if path.suffix.lower() == ".shp" or path.suffix.lower() in _GEOJSON_SUFFIXES
    ]
    if len(boundaries) > 1:
        raise _rejected(
            f"The ZIP file holds {len(boundaries)} boundaries. Please send one shapefile or one"
            " GeoJSON file."
        )
    if not boundaries:
        if any(path.suffix.lower() in _PART_SUFFIXES for path, _ in kept):
            raise BoundaryError(
                "shapefile_incomplete",
                "The .shp file is missing. A shapefile needs its .shp, .shx, .dbf and .prj files.",
            )
        raise BoundaryError(
            "not_a_boundary_file",
            "The ZIP file holds no boundary. Please send one shapefile or one GeoJSON file.",
        )
    [(chosen, entry)] = boundaries
    if chosen.suffix.lower() in _GEOJSON_SUFFIXES:
        return {".geojson": entry}
    return dict(_parts_of(chosen, kept))


def _is_clutter(path: PurePosixPath) -> bool:
    """What operating systems add; other files beside the boundary are simply not opened."""
    return (
        "__macosx" in (part.lower() for part in path.parts)
        or path.name.startswith("._")
        or path.name.lower() == ".ds_store"
    )


def _parts_of(
    shp: PurePosixPath, kept: Sequence[tuple[PurePosixPath, zipfile.ZipInfo]]
) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    stem = str(shp.with_suffix("")).casefold()
    found: set[str] = set()
    for path, entry in kept:
        suffix = path.suffix.lower()
        if suffix in _PART_SUFFIXES and str(path.with_suffix("")).casefold() == stem:
            found.add(suffix)
            yield suffix, entry
    missing = [suffix for suffix in (".shx", ".dbf") if suffix not in found]
    if missing:
        raise BoundaryError(
            "shapefile_incomplete",
            f"The shapefile has no {' and no '.join(missing)} file."
            " A shapefile needs its .shp, .shx, .dbf and .prj files.",
        )


def _extract(
    opened: zipfile.ZipFile, chosen: dict[str, zipfile.ZipInfo], target: Path, limits: Limits
) -> ShapefileParts | GeoJsonFile:
    written: dict[str, Path] = {}
    budget = limits.max_expanded_bytes
    for suffix, entry in chosen.items():
        path = target / f"boundary{suffix}"
        budget -= _write(opened, entry, path, budget, limits)
        _refuse_nested(path)
        written[suffix] = path
    if ".geojson" in written:
        return GeoJsonFile(written[".geojson"])
    prj, cpg = (_take_text(written.get(suffix)) for suffix in (".prj", ".cpg"))
    return ShapefileParts(shp=written[".shp"], prj=prj, encoding=cpg)


def _write(
    opened: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, budget: int, limits: Limits
) -> int:
    """Bytes written; sizes in the archive are claims, so what comes out is counted."""
    count = 0
    with opened.open(entry) as source, path.open("xb") as sink:
        while chunk := source.read(_CHUNK):
            count += len(chunk)
            if count > budget:
                raise _expands_too_far(limits)
            sink.write(chunk)
    if count != entry.file_size:
        raise _rejected("The ZIP file is damaged: a file in it is not as long as it says.")
    return count


def _refuse_nested(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(4) in ZIP_MAGIC:
            raise _rejected("The ZIP file holds another archive. Please put the files in directly.")


def _take_text(path: Path | None) -> bytes | None:
    """The content of a small part, removed from where GDAL would look for it."""
    if path is None:
        return None
    if path.stat().st_size > MAX_TEXT_PART_BYTES:
        raise _rejected(f"The {path.suffix} file is far too large.")
    content = path.read_bytes()
    path.unlink()
    return content
