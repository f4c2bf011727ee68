"""The polygons of an invented region: works in subcatchments in catchments, and what covers all.

On purpose, as in real data: two catchments share a site name, two overlap by a few square metres,
one works has two areas, one has no row in the lookup, and an outer ring lies in no catchment.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import shapely

from worker.reference.synthetic.mosaic import SIZE, Extent, Mosaic

MARGIN = 2
"""Patches between the outer border and the catchments."""

SITE_NAMES = ("Larkmere SAC", "River Tessel SAC", "Hollow Fen SPA/Ramsar", "River Tessel SAC")
"""Of the catchments in the order of their OID, 1 to 4."""

WORKS_WITHOUT_LOOKUP = 9001

_HALF = (SIZE - 2 * MARGIN) // 2
_QUARTER = _HALF // 2
_SUBCATCHMENTS = (
    "Upper Larkmere",
    "Lark Brook",
    "Tessel Head",
    "Tessel and Ouzel",
    "Larkmere Levels",
    "Sallow Beck",
    "Tessel Vale",
    "Ouzel Brook",
    "Hollow Fen West",
    "Fen Lode",
    "Lower Tessel",
    "Withy Brook",
    "Hollow Fen North",
    "Long Drove",
    "Tessel Mouth",
    "Heron Dyke",
)
_OUTER_RING = {
    (-1, 0): "South Downs Brook",
    (1, 0): "Northern Becks",
    (0, -1): "Western Rills",
    (0, 1): "Eastern Streams",
}
_AUTHORITIES = ("Southwell Moor", "Marlstone", "Easter Vale", "Northwick", "Carrow", "Highfold")
_COLOURS = ("Red", "Amber", "Green")
_COLOUR_SHARES = (0.1, 0.4, 0.5)
# South-west patches of the works in a subcatchment of 5 x 5 patches; each works serves 2 x 2.
_WORKS_PLACES = ((0, 0), (3, 2))


@dataclass(frozen=True, slots=True)
class Feature:
    """A polygon and its attributes, in the order of its layer's columns."""

    polygon: shapely.Geometry
    values: tuple[str | int | float | None, ...]


@dataclass(frozen=True, slots=True)
class Works:
    """An invented treatment works: its code, its name, and the subcatchment it lies in."""

    code: int
    name: str
    subcatchment: str


@dataclass(frozen=True, slots=True)
class Region:
    """Everything that is drawn by hand: features by layer, and the works."""

    layers: dict[str, list[Feature]]
    works: tuple[Works, ...]


def region(extent: Extent, rng: np.random.Generator) -> Region:
    """An invented region that fills ``extent`` (metres, EPSG:27700)."""
    mosaic = Mosaic(extent, rng)
    works_areas = mosaic.groups(_works_of)
    works = tuple(_works(code) for code in sorted({_code(key) for key in works_areas}))
    names = {one.code: one.name for one in works}
    catchments = _catchments(mosaic)
    layers = {
        "nn_catchments": catchments,
        "subcatchments": _named(mosaic.groups(_subcatchment_of)),
        "wwtw_catchments": [
            Feature(polygon, (_code(key), names[_code(key)]))
            for key, polygon in works_areas.items()
        ],
        "lpa_boundaries": _named(mosaic.groups(lambda row, column: _authority(row, column))),
        "gcn_risk_zones": _risk_zones(mosaic, rng),
        "edp_edges": _named(mosaic.groups(_partner_of)),
        "edp_boundaries": [
            Feature(
                shapely.union_all([catchments[0].polygon, catchments[1].polygon]),
                ("Larkmere and Tessel Plan (synthetic)",),
            )
        ],
        "edp_excluded_areas": _excluded(mosaic),
    }
    return Region(layers, works)


def _named(groups: dict[Hashable, shapely.Geometry]) -> list[Feature]:
    return [Feature(polygon, (str(name),)) for name, polygon in groups.items()]


def _catchments(mosaic: Mosaic) -> list[Feature]:
    groups = mosaic.groups(_catchment_of)
    polygons = [groups[number] for number in range(len(SITE_NAMES))]
    # Where the first two and the others meet; a box there overlaps the second by a few m².
    x, y = mosaic.node(MARGIN + _HALF // 2, MARGIN + _HALF)
    polygons[0] = shapely.union(polygons[0], shapely.box(x - 2, y - 1, x + 2, y + 1))
    return [
        Feature(polygon, (number, name))
        for number, (polygon, name) in enumerate(zip(polygons, SITE_NAMES, strict=True), start=1)
    ]


def _inner(row: int, column: int) -> tuple[int, int] | None:
    """Row and column counted from the catchments' south-west; None in the outer ring."""
    row, column = row - MARGIN, column - MARGIN
    side = 2 * _HALF
    return (row, column) if 0 <= row < side and 0 <= column < side else None


def _catchment_of(row: int, column: int) -> int | None:
    place = _inner(row, column)
    return None if place is None else place[0] // _HALF * 2 + place[1] // _HALF


def _subcatchment_of(row: int, column: int) -> str:
    place = _inner(row, column)
    if place is not None:
        return _SUBCATCHMENTS[place[0] // _QUARTER * 4 + place[1] // _QUARTER]
    if row < MARGIN or row >= SIZE - MARGIN:
        return _OUTER_RING[-1 if row < MARGIN else 1, 0]
    return _OUTER_RING[0, -1 if column < MARGIN else 1]


def _works_of(row: int, column: int) -> tuple[int, int] | None:
    """(code, number of the area) of the works that serves a patch."""
    place = _inner(row, column)
    if place is None:
        # Two patches of the outer ring: one works known to the lookup, one that is not.
        return {(0, 5): (1990, 0), (0, 15): (WORKS_WITHOUT_LOOKUP, 0)}.get((row, column))
    block = place[0] // _QUARTER * 4 + place[1] // _QUARTER
    within = (place[0] % _QUARTER, place[1] % _QUARTER)
    for number, (south, west) in enumerate(_WORKS_PLACES):
        if south <= within[0] < south + 2 and west <= within[1] < west + 2:
            return (1001 + 10 * block + number, 0)
    # The first works has a second, separate area.
    return (1001, 1) if block == 0 and within == (0, 4) else None


def _code(key: Hashable) -> int:
    code, _ = key if isinstance(key, tuple) else (key, 0)
    return int(code)


def _works(code: int) -> Works:
    if code == WORKS_WITHOUT_LOOKUP:
        return Works(code, "Nettle Lane WRC", _OUTER_RING[-1, 0])
    if code == 1990:
        return Works(code, "Southgate WRC", _OUTER_RING[-1, 0])
    block, number = divmod(code - 1001, 10)
    subcatchment = _SUBCATCHMENTS[block]
    return Works(code, f"{subcatchment} {'East' if number else 'West'} WRC", subcatchment)


def _authority(row: int, column: int) -> str:
    return f"{_AUTHORITIES[row // 12 * 3 + column // 8]} District Council"


def _partner_of(row: int, column: int) -> str | None:
    place = _inner(row, column)
    if place is None:
        return None
    return "Partner West" if place[1] < _HALF else "Partner East"


def _risk_zones(mosaic: Mosaic, rng: np.random.Generator) -> list[Feature]:
    half = SIZE // 2
    colours = rng.choice(len(_COLOURS), size=(half, half), p=_COLOUR_SHARES)
    zones = mosaic.groups(lambda row, column: (row // 2, column // 2))
    return [
        Feature(polygon, (_COLOURS[colours[key]],))
        for key, polygon in zones.items()
        if isinstance(key, tuple)
    ]


def _excluded(mosaic: Mosaic) -> list[Feature]:
    areas = {
        (5, 5): ("Larkmere Meadows SSSI", "SSSI", 50),
        (6, 17): ("Tessel Gorge SAC", "SAC", 100),
        (17, 6): ("Hollow Fen Ramsar", "Ramsar", 50),
    }
    groups = mosaic.groups(lambda row, column: (row, column) if (row, column) in areas else None)
    return [Feature(groups[place], values) for place, values in areas.items()]
