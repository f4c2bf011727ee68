"""Which features of a layer share area with which sites, and how much.

Sites and layers come as arrays of geometries, since one call on arrays costs what a hundred calls
on single geometries do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import shapely
from numpy.typing import NDArray

from worker.assessments.nutrient_rules import FloatArray, IntArray

Geometries = NDArray[np.object_]

# Overlay at coordinates of a million metres is good to about 1e-10 m; along the outline of the
# largest developments that adds up to far less than a square centimetre. Less is contact, not
# overlap, and two areas that differ by less are equal.
AREA_NOISE_M2 = 1e-4

_POLYGON = 3


class Comparable(Protocol):
    """What a feature is called: it can be put in order, so that ties have a lowest."""

    def __lt__(self, other: Any, /) -> bool: ...  # noqa: ANN401 - each key compares with its own kind


KeyT = TypeVar("KeyT", bound=Comparable)
NumberArray = TypeVar("NumberArray", FloatArray, IntArray)


class Catchment(NamedTuple):
    """A nutrient neutrality catchment; one designated site may have several."""

    oid: int
    name: str


@dataclass(frozen=True, slots=True)
class Share(Generic[KeyT]):
    """The area (m2) that a site shares with all features of one key."""

    key: KeyT
    area_m2: float


class Layer(Generic[KeyT]):
    """Subdivided features of one version of a layer; features with the same key are one."""

    def __init__(self, keys: Sequence[KeyT], parts: Geometries) -> None:
        self.keys = tuple(sorted(set(keys)))
        index = {key: number for number, key in enumerate(self.keys)}
        self._key_of_part = np.array([index[key] for key in keys], dtype=np.int64)
        self._parts = parts
        self._tree = shapely.STRtree(parts)

    def meeting(self, shapes: Geometries) -> tuple[IntArray, IntArray, Geometries]:
        """Pairs of a shape and a part that meet: index of the shape, of the key, and the part."""
        shape, part = self._tree.query(shapes, predicate="intersects")
        return shape, self._key_of_part[part], self._parts[part]

    def overlaps(self, sites: Geometries) -> Overlaps[KeyT]:
        """What each of ``sites`` shares with each key."""
        site, part = self._tree.query(sites)
        pieces = sites[site]
        _cut(pieces, self._parts[part])
        area_m2 = shapely.area(pieces)
        key = self._key_of_part[part]
        # The area is the last word of the order, so that a sum never depends on the order in which
        # the database returned the parts.
        order = np.lexsort((area_m2, key, site))
        site, key, area_m2, pieces = site[order], key[order], area_m2[order], pieces[order]
        starts = group_starts(site, key)
        shared_m2 = sum_groups(area_m2, starts)
        ends = np.concatenate([starts, [len(pieces)]])[1:]
        real = shared_m2 > AREA_NOISE_M2
        return Overlaps(
            len(sites),
            self.keys,
            site[starts][real],
            key[starts][real],
            shared_m2[real],
            pieces,
            starts[real],
            ends[real],
        )


@dataclass(frozen=True, slots=True)
class Overlaps(Generic[KeyT]):
    """Pairs of a site and a key that share area, sorted by site and key.

    ``site`` and ``key`` are indices, ``key`` into ``keys``. ``starts`` and ``ends`` say where in
    ``pieces`` a pair's pieces stand: what the site shares with each part of the key.
    """

    sites: int
    keys: tuple[KeyT, ...]
    site: IntArray
    key: IntArray
    area_m2: FloatArray
    pieces: Geometries
    starts: IntArray
    ends: IntArray

    def shares(self) -> list[tuple[Share[KeyT], ...]]:
        """For each site the keys it shares area with, lowest first."""
        found: list[list[Share[KeyT]]] = [[] for _ in range(self.sites)]
        for site, key, area_m2 in zip(
            self.site.tolist(), self.key.tolist(), self.area_m2.tolist(), strict=True
        ):
            found[site].append(Share(self.keys[key], area_m2))
        return [tuple(shares) for shares in found]

    def shapes(self) -> Geometries:
        """The shared shape of each pair, polygonal."""
        shapes = np.empty(len(self.starts), dtype=object)
        for pair, (start, end) in enumerate(zip(self.starts, self.ends, strict=True)):
            shapes[pair] = _united(self.pieces[start:end])
        return shapes


def group_starts(*sorted_columns: IntArray) -> IntArray:
    """Where each run of equal rows begins."""
    starts = np.ones(len(sorted_columns[0]), dtype=np.bool_)
    starts[1:] = False
    for column in sorted_columns:
        starts[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(starts)


def sum_groups(values: NumberArray, starts: IntArray) -> NumberArray:
    """Sum of each run of ``values``; depends on the run alone, not on its neighbours."""
    return np.add.reduceat(values, starts) if len(starts) else values[:0]


def _cut(pieces: Geometries, parts: Geometries) -> None:
    """Replace each of ``pieces`` by what its part holds of it; most lie inside and stay."""
    shapely.prepare(parts)
    crossing = np.flatnonzero(~shapely.covers(parts, pieces))
    if len(crossing):
        outside = ~shapely.intersects(parts[crossing], pieces[crossing])
        pieces[crossing[outside]] = shapely.Polygon()
        crossing = crossing[~outside]
        pieces[crossing] = shapely.intersection(pieces[crossing], parts[crossing])


def largest(shares: Sequence[Share[KeyT]]) -> KeyT | None:
    """The key with the largest area, the lowest of those that tie; None without any."""
    if len(shares) < 2:
        return shares[0].key if shares else None
    most = max(share.area_m2 for share in shares)
    return min(share.key for share in shares if share.area_m2 >= most - AREA_NOISE_M2)


def _united(pieces: Geometries) -> shapely.Geometry:
    """One polygonal geometry of pieces that touch or overlap in lines only."""
    if len(pieces) == 1 and pieces[0].geom_type in ("Polygon", "MultiPolygon"):
        piece: shapely.Geometry = pieces[0]
        return piece
    # A site that also touches a part along a line leaves that line in the intersection; a second
    # call of get_parts opens the multipolygons inside such collections.
    parts = shapely.get_parts(shapely.get_parts(pieces))
    return shapely.union_all(parts[shapely.get_type_id(parts) == _POLYGON])
