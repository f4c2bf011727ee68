"""Builders of boundary files, written byte by byte so that each part can be wrong on purpose."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import cos, pi, sin

Ring = Sequence[tuple[float, float]]
Parts = dict[str, bytes]
Columns = Mapping[str, tuple[str, int, Sequence[object]]]

BRITISH_NATIONAL_GRID_PRJ = (
    'PROJCS["British_National_Grid",GEOGCS["GCS_OSGB_1936",DATUM["D_OSGB_1936",'
    'SPHEROID["Airy_1830",6377563.396,299.3249646]],PRIMEM["Greenwich",0.0],'
    'UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["False_Easting",400000.0],PARAMETER["False_Northing",-100000.0],'
    'PARAMETER["Central_Meridian",-2.0],PARAMETER["Scale_Factor",0.9996012717],'
    'PARAMETER["Latitude_Of_Origin",49.0],UNIT["Meter",1.0]]'
)
WGS84_PRJ = (
    'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
)
WEB_MERCATOR_PRJ = (
    'PROJCS["WGS_1984_Web_Mercator_Auxiliary_Sphere",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",'
    'SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],'
    'UNIT["Degree",0.0174532925199433]],PROJECTION["Mercator_Auxiliary_Sphere"],'
    'PARAMETER["False_Easting",0.0],PARAMETER["False_Northing",0.0],'
    'PARAMETER["Central_Meridian",0.0],PARAMETER["Standard_Parallel_1",0.0],'
    'PARAMETER["Auxiliary_Sphere_Type",0.0],UNIT["Meter",1.0]]'
)

POLYGON, POLYGON_Z, POLYGON_M, POINT = 5, 15, 25, 1


def square(east: float = 620_000.0, north: float = 310_000.0, side: float = 100.0) -> Ring:
    """A closed clockwise ring in Norfolk, metres."""
    return (
        (east, north),
        (east, north + side),
        (east + side, north + side),
        (east + side, north),
        (east, north),
    )


def bow_tie(east: float = 620_000.0, north: float = 310_000.0) -> Ring:
    """A ring that crosses itself at (east + 50, north + 50)."""
    return (
        (east, north),
        (east + 100, north + 100),
        (east + 100, north),
        (east, north + 100),
        (east, north),
    )


def circle(points: int, east: float = 620_000.0, north: float = 310_000.0) -> Ring:
    """A regular ring of ``points`` vertices and the closing one, 500 m in radius."""
    angles = (-2 * pi * step / points for step in range(points))
    ring = [(east + 500 * cos(angle), north + 500 * sin(angle)) for angle in angles]
    return [*ring, ring[0]]


def toothed(points: int, east: float = 620_000.0, north: float = 310_000.0) -> Ring:
    """A valid ring of ``points`` vertices, each second of which stands 10 m out of a circle."""
    angles = [-2 * pi * step / points for step in range(points)]
    radii = [500.0 + 10 * (step % 2) for step in range(points)]
    ring = [
        (round(east + radius * cos(angle), 2), round(north + radius * sin(angle), 2))
        for angle, radius in zip(angles, radii, strict=True)
    ]
    return [*ring, ring[0]]


def strips(each_way: int) -> list[Ring]:
    """Strips across strips: a few points each, and one hole for every two that cross."""
    length = 40.0 * each_way
    starts = [40.0 * step for step in range(each_way)]
    return [
        *(_rectangle(0.0, start, length, 20.0) for start in starts),
        *(_rectangle(start, 0.0, 20.0, length) for start in starts),
    ]


def _rectangle(east: float, north: float, width: float, height: float) -> Ring:
    west, south = 200_000.0 + east, 200_000.0 + north
    return (
        (west, south),
        (west, south + height),
        (west + width, south + height),
        (west + width, south),
        (west, south),
    )


@dataclass(frozen=True)
class Shapefile:
    """What goes into a shapefile; a shape is a list of rings, None is a null shape.

    ``columns``: name → (dBASE type, width, values).
    """

    shapes: Sequence[Sequence[Ring] | None] = field(default_factory=lambda: ((square(),),))
    columns: Columns = field(default_factory=dict)
    prj: str | None = BRITISH_NATIONAL_GRID_PRJ
    cpg: str | None = "UTF-8"
    encoding: str = "utf-8"
    shape_type: int = POLYGON

    def parts(self) -> Parts:
        """Suffix → content."""
        records = [_record(shape, self.shape_type) for shape in self.shapes]
        parts = {
            ".shp": _shp(records, self.shape_type),
            ".shx": _shx(records, self.shape_type),
            ".dbf": _dbf(self._rows(), len(records), self.columns, self.encoding),
        }
        if self.prj is not None:
            parts[".prj"] = self.prj.encode()
        if self.cpg is not None:
            parts[".cpg"] = self.cpg.encode()
        return parts

    def zipped(self, name: str = "site", /, **replaced: bytes | None) -> bytes:
        """The parts in a ZIP; ``shp=b"…"`` replaces a part, ``shx=None`` leaves one out."""
        parts: dict[str, bytes | None] = dict(self.parts())
        parts.update({f".{suffix}": content for suffix, content in replaced.items()})
        return zipped(
            {f"{name}{suffix}": content for suffix, content in parts.items() if content is not None}
        )

    def _rows(self) -> list[list[object]]:
        return [
            [values[row] for _, _, values in self.columns.values()]
            for row in range(len(self.shapes))
        ]


def zipped(files: Mapping[str, bytes], *, deflated: bool = True) -> bytes:
    """A ZIP of ``files`` in order."""
    out = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def raw_zip(entries: Iterable[tuple[str, bytes]]) -> bytes:
    """A ZIP with names exactly as given, also repeated, absolute or with NUL bytes."""
    body, directory, count = b"", b"", 0
    for name, content in entries:
        encoded, crc = name.encode(), zlib.crc32(content)
        common = struct.pack("<5H3L2H", 20, 0x800, 0, 0, 0x21, crc, len(content), len(content),
                             len(encoded), 0)  # fmt: skip
        directory += (
            b"PK\x01\x02" + struct.pack("<H", 20) + common
            + struct.pack("<3H2L", 0, 0, 0, 0, len(body)) + encoded
        )  # fmt: skip
        body += b"PK\x03\x04" + common + encoded + content
        count += 1
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), len(body), 0)
    return body + directory + end


def polygon(*rings: Ring) -> dict[str, object]:
    """A GeoJSON Polygon."""
    return {
        "type": "Polygon",
        "coordinates": [[list(point) for point in ring] for ring in rings],
    }


def feature(geometry: object, **properties: object) -> dict[str, object]:
    """A GeoJSON Feature."""
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def collection(*features: object, crs: str | None = "EPSG:27700") -> dict[str, object]:
    """A GeoJSON FeatureCollection; ``crs`` None leaves the member out."""
    document: dict[str, object] = {
        "type": "FeatureCollection",
        "features": list(features),
    }
    if crs is not None:
        document["crs"] = {"type": "name", "properties": {"name": crs}}
    return document


def geojson(*geometries: object, crs: str | None = "EPSG:27700") -> bytes:
    """A GeoJSON file with these geometries, without attributes."""
    return json.dumps(collection(*map(feature, geometries), crs=crs)).encode()


def _record(shape: Sequence[Ring] | None, shape_type: int) -> bytes:
    if shape is None:
        return struct.pack("<i", 0)
    points = [point for ring in shape for point in ring]
    if shape_type == POINT:
        return struct.pack("<i2d", shape_type, *points[0])
    if not points:
        return struct.pack("<i4d2i", shape_type, 0, 0, 0, 0, 0, 0)
    xs, ys = zip(*points, strict=True)
    starts = [sum(len(ring) for ring in shape[:index]) for index in range(len(shape))]
    body = struct.pack("<i4d2i", shape_type, min(xs), min(ys), max(xs), max(ys), len(shape),
                       len(points))  # fmt: skip
    body += struct.pack(f"<{len(starts)}i", *starts)
    body += b"".join(struct.pack("<2d", *point) for point in points)
    extra = struct.pack("<2d", 5, 5) + struct.pack(f"<{len(points)}d", *[5.0] * len(points))
    return body + extra * {POLYGON: 0, POLYGON_M: 1, POLYGON_Z: 2}[shape_type]


def _header(length: int, shape_type: int) -> bytes:
    box = (0.0, 0.0, 700_000.0, 1_300_000.0, 0.0, 0.0, 0.0, 0.0)
    return struct.pack(">7i", 9994, 0, 0, 0, 0, 0, length // 2) + struct.pack(
        "<2i8d", 1000, shape_type, *box
    )


def _shp(records: Sequence[bytes], shape_type: int) -> bytes:
    body = b"".join(
        struct.pack(">2i", number, len(record) // 2) + record
        for number, record in enumerate(records, start=1)
    )
    return _header(100 + len(body), shape_type) + body


def _shx(records: Sequence[bytes], shape_type: int) -> bytes:
    body, offset = b"", 100
    for record in records:
        body += struct.pack(">2i", offset // 2, len(record) // 2)
        offset += 8 + len(record)
    return _header(100 + len(body), shape_type) + body


def _dbf(
    rows: Sequence[Sequence[object]],
    count: int,
    columns: Columns,
    encoding: str,
) -> bytes:
    # GDAL invents a column where a table has none, so there is always one.
    described = columns or {"FID": ("N", 5, ())}
    rows = rows if columns else [[number] for number in range(count)]
    row_bytes = 1 + sum(width for _, width, _ in described.values())
    header = struct.pack("<4BIHH20x", 3, 126, 1, 1, count, 32 + 32 * len(described) + 1, row_bytes)
    for name, (kind, width, _) in described.items():
        decimals = 2 if kind == "F" else 0
        header += struct.pack("<11sc4xBB14x", name.encode(), kind.encode(), width, decimals)
    body = b"".join(
        b" "
        + b"".join(
            _cell(value, width, encoding)
            for value, (_, width, _) in zip(row, described.values(), strict=True)
        )
        for row in rows
    )
    return header + b"\r" + body + b"\x1a"


def _cell(value: object, width: int, encoding: str) -> bytes:
    text = "" if value is None else str(value)
    return text.encode(encoding).ljust(width)[:width]
