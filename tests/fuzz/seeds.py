"""Files to start from: each of them is a boundary or survey that the reader accepts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tests.fakes.boundaries import (
    POLYGON_M,
    POLYGON_Z,
    WGS84_PRJ,
    Columns,
    Shapefile,
    circle,
    collection,
    feature,
    polygon,
    square,
    zipped,
)

COLUMNS: Columns = {
    "Dwellings": ("N", 9, [11, None]),
    "Name": ("C", 20, ["Smee Lane", "Café"]),
    "id": ("F", 12, ["7.00", "8.50"]),
    "Drawn": ("D", 8, ["20260131", ""]),
    "Checked": ("L", 1, ["T", "?"]),
    "PANS": ("C", 2, ["P", "NS"]),
    "TmpImp": ("C", 1, ["F", "T"]),
}
ATTRIBUTES: Mapping[str, object] = {
    "Dwellings": 11,
    "Name": "Smee Lane",
    "id": 7.5,
    "PANS": "P",
    "TmpImp": "F",
}
HOLE = square(620_020, 310_020, 10)[::-1]


@dataclass(frozen=True)
class Sample:
    """Files by name, sent in a ZIP or, if it is a single one, bare."""

    files: tuple[tuple[str, bytes], ...]
    archive: bool = True
    deflated: bool = True

    def content(self) -> bytes:
        if not self.archive:
            return self.files[0][1]
        return zipped(dict(self.files), deflated=self.deflated)

    def replaced(self, index: int, content: bytes) -> Sample:
        """With other content of the file at this place."""
        files = list(self.files)
        files[index] = (files[index][0], content)
        return replace(self, files=tuple(files))


def seeds() -> list[Sample]:
    """At least one of each kind of file that is accepted, small so that mutations hit something."""
    two = ((square(), HOLE), (square(621_000.0),))
    degrees = ((square(1.3, 52.6, 0.001),), (square(1.31, 52.6, 0.02),))
    return [
        _shapefile(Shapefile(shapes=two, columns=COLUMNS)),
        _shapefile(Shapefile(shapes=two, columns=COLUMNS, cpg=None), deflated=False),
        _shapefile(Shapefile(shapes=two, columns=COLUMNS, encoding="cp1252", cpg="1252")),
        _shapefile(Shapefile(shapes=two, columns=COLUMNS, shape_type=POLYGON_Z)),
        _shapefile(Shapefile(shapes=two, columns=COLUMNS, shape_type=POLYGON_M)),
        _shapefile(Shapefile(shapes=degrees, columns=COLUMNS, prj=WGS84_PRJ)),
        _shapefile(Shapefile(shapes=((circle(60), square(625_000.0)),))),
        _geojson(_document(polygon(square(), HOLE), polygon(square(621_000.0)))),
        _geojson(_document(polygon(*degrees[0]), polygon(*degrees[1]), crs=None)),
        _geojson(_document(_multi(square(), square(621_000.0)), crs="urn:ogc:def:crs:EPSG::27700")),
        _geojson(feature(polygon(square(1.3, 52.6, 0.001)), **ATTRIBUTES)),
        _geojson(polygon(square(1.3, 52.6, 0.001))),
        Sample(
            (
                ("readme.txt", b"/etc/passwd"),
                ("a/site.json", _text(_document(polygon(square())))),
            )
        ),
    ]


def _shapefile(shapefile: Shapefile, *, deflated: bool = True) -> Sample:
    parts = shapefile.parts()
    return Sample(
        tuple((f"site{suffix}", content) for suffix, content in parts.items()), deflated=deflated
    )


def _geojson(document: Mapping[str, object]) -> Sample:
    return Sample((("site.geojson", _text(document)),), archive=False)


def _document(*geometries: object, crs: str | None = "EPSG:27700") -> dict[str, object]:
    return collection(*(feature(geometry, **ATTRIBUTES) for geometry in geometries), crs=crs)


def _multi(*rings: object) -> dict[str, object]:
    return {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}


def _text(document: Mapping[str, object]) -> bytes:
    return json.dumps(document).encode()
