"""Three ways to the same habitat: the worker, whole layers taken naively, the bare kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from psycopg import Connection

from worker.assessments.gcn import EDP_EDGES, GCN_RISK_ZONES, assess_gcn
from worker.assessments.gcn_extent import (
    boxes,
    clipped_layer,
    clipped_ponds,
    extent_of,
    surveyed,
)
from worker.assessments.gcn_measures import RiskZone, habitat_pieces
from worker.assessments.gcn_result import GcnResult
from worker.assessments.layers import LayerCache
from worker.assessments.nutrient_rules import FloatArray
from worker.assessments.overlay import Geometries
from worker.boundary.grid import Grid
from worker.boundary.model import NewtSite, SurveyPonds
from worker.reference.versions import ReferenceVersions
from worker.settings import GcnConstants

_CONSTANTS = GcnConstants()
_GRID = Grid(_CONSTANTS.grid_m)

Place = tuple[str | None, int | None, str]
Kind = tuple[str | None, str, str, str | None, str]


@dataclass(frozen=True, slots=True)
class Case:
    """What is assessed."""

    sites: tuple[NewtSite, ...]
    survey: SurveyPonds
    versions: ReferenceVersions


@dataclass(frozen=True, slots=True)
class Answer:
    """Habitat (m2) by partner, site and colour; ponds by partner and kind."""

    habitat_m2: Mapping[Place, float]
    ponds: Mapping[Kind, int]


class WorkerMethod:
    """The assessment as jobs run it, with its layers warm."""

    def __init__(self, connection: Connection, case: Case) -> None:
        self._connection = connection
        self._case = case
        self._layers = LayerCache()

    def run(self) -> GcnResult:
        """Everything, from geometries in memory to typed results."""
        return assess_gcn(
            self._connection,
            self._case.sites,
            self._case.survey,
            self._case.versions,
            _CONSTANTS,
            layers=self._layers,
        )

    def answer(self) -> Answer:
        result = self.run()
        return Answer(
            {
                (one.edp_name, one.site, one.risk_zone): one.habitat_area_m2
                for one in result.habitat_by_edp
            },
            {
                (one.edp_name, one.pans, one.area, one.max_zone, one.tmp_imp): one.frequency
                for one in result.ponds_by_edp
            },
        )


class WholeLayers:
    """Each rule as it is written: every feature of a layer, whole, against every shape.

    Snapping and overlaying in floating point is as cheap as in the worker; on GEOS's own grid, as
    the original tool has it, this takes twice as long.
    """

    def __init__(self, connection: Connection, case: Case) -> None:
        self._connection = connection
        self._case = case

    def run(self) -> Answer:
        """Habitat and ponds, by partner; the unsplit ones are their sums."""
        sites = _snapped([site.geometry for site in self._case.sites])
        joined = shapely.union_all(sites)
        whole = shapely.union_all(
            shapely.buffer(
                sites, _CONSTANTS.site_buffer_m, quad_segs=_CONSTANTS.segments_per_quadrant
            )
        )
        parts = np.array([*sites, shapely.difference(whole, joined)], dtype=object)
        colours, zones = self._layer("gcn_risk_zones", "rz")
        zones = shapely.intersection(zones, whole)
        names, partners = self._layer("edp_edges", "edp_name")
        survey = self._case.survey.ponds
        clipped = shapely.intersection(_snapped([pond.geometry for pond in survey]), whole)
        kept = np.flatnonzero(shapely.area(clipped) > 0)
        ponds = clipped[kept]
        reach = shapely.union_all(
            shapely.buffer(
                ponds, _CONSTANTS.pond_buffer_m, quad_segs=_CONSTANTS.segments_per_quadrant
            )
        )
        habitat: Counter[Place] = Counter()
        places = [*(site.number for site in self._case.sites), None]
        for place, part in zip(places, parts, strict=True):
            for colour, zone in zip(colours, zones, strict=True):
                land = shapely.intersection(part, zone)
                (piece,) = _snapped([shapely.intersection(land, reach)])
                for name, partner in zip(names, partners, strict=True):
                    habitat[name, place, colour] += shapely.intersection(piece, partner).area
                nobodys = shapely.difference(piece, shapely.union_all(partners))
                habitat[None, place, colour] += nobodys.area
        return Answer(
            {place: area for place, area in habitat.items() if area > 0},
            self._ponds(kept, ponds, joined, (colours, zones), (names, partners)),
        )

    def answer(self) -> Answer:
        return self.run()

    def _ponds(
        self,
        kept: np.ndarray[tuple[int], np.dtype[np.intp]],
        ponds: Geometries,
        joined: shapely.Geometry,
        zones: tuple[list[str], Geometries],
        partners: tuple[list[str], Geometries],
    ) -> Counter[Kind]:
        kinds: Counter[Kind] = Counter()
        for index, shape in zip(kept.tolist(), ponds, strict=True):
            pond = self._case.survey.ponds[index]
            met = {
                RiskZone[colour.upper()]
                for colour, zone in zip(*zones, strict=True)
                if shapely.intersects(zone, shape)
            }
            shared = [shapely.intersection(shape, partner).area for partner in partners[1]]
            owner = partners[0][int(np.argmax(shared))] if max(shared) > 0 else None
            area = "RLB" if shapely.intersects(joined, shape) else "Buffer"
            worst = min(met).label if met else None
            kinds[owner, pond.pans, area, worst, pond.tmp_imp] += 1
        return kinds

    def _layer(self, table: str, name: str) -> tuple[list[str], Geometries]:
        rows = self._connection.execute(
            f"SELECT {name}, ST_AsBinary(geom) FROM reference.{table} WHERE version = %s".encode(),
            [self._case.versions.of(table)],
        ).fetchall()
        return [row[0] for row in rows], _GRID.snap(shapely.from_wkb([row[1] for row in rows]))


class Kernel:
    """The floor: the overlays and buffers that the rules ask for, all of it in memory.

    Inputs are what the worker's own steps hand on, already cut to the extent; pairs that lie apart
    or inside each other need no overlay and are not part of it. Nothing is snapped or prepared.
    """

    def __init__(self, connection: Connection, case: Case) -> None:
        layers = LayerCache()
        outlines = [site.geometry for site in case.sites]
        near = boxes(outlines, _CONSTANTS.site_buffer_m)
        extent = extent_of(outlines, _CONSTANTS, _GRID)
        zone_layer = layers.layer(connection, case.versions, GCN_RISK_ZONES, near)
        edges = layers.layer(connection, case.versions, EDP_EDGES, near)
        zones = clipped_layer(zone_layer, extent, _GRID)
        partners = np.array(list(clipped_layer(edges, extent, _GRID).values()), dtype=object)
        ponds = surveyed(case.survey)
        inside = clipped_ponds(ponds, extent, _GRID).shapes
        reach = _GRID.buffer(inside, _CONSTANTS.pond_buffer_m, _CONSTANTS.segments_per_quadrant)
        pieces = habitat_pieces(extent, zones, reach, _GRID)
        colours = np.array(list(zones.values()), dtype=object)
        whole = np.array([extent.whole], dtype=object)
        _, key, parts = zone_layer.meeting(whole)
        clipped = _GRID.clip(_GRID.snap(parts), extent.whole)
        self._sites, self._joined = _copied(extent.sites), extent.joined
        self._ponds = _copied(inside)
        self._united = [_copied(clipped[key == each]) for each in np.unique(key)]
        every = np.concatenate([one.shapes for one in pieces])
        self._pairs = [
            _crossing(ponds.shapes, whole),
            _crossing(parts, whole),
            _crossing(edges.meeting(whole)[2], whole),
            _crossing(colours, np.array([reach], dtype=object)),
            _crossing(extent.parts, _GRID.clip(colours, reach)),
            _crossing(every, partners),
            _crossing(inside, partners),
        ]
        self._everyone = shapely.union_all(partners)
        self._pieces = _copied(every)

    def run(self) -> list[FloatArray]:
        """Areas, as proof that something was done."""
        segments = _CONSTANTS.segments_per_quadrant
        grown = shapely.buffer(self._sites, _CONSTANTS.site_buffer_m, quad_segs=segments)
        whole = shapely.union_all(grown)
        buffer = shapely.difference(whole, shapely.union_all(self._sites))
        reached = shapely.buffer(self._ponds, _CONSTANTS.pond_buffer_m, quad_segs=segments)
        united = [shapely.union_all(reached), *map(shapely.union_all, self._united), buffer]
        nobodys = shapely.difference(self._pieces, self._everyone)
        return [
            shapely.area(united),
            shapely.area(nobodys),
            *(shapely.area(shapely.intersection(one, other)) for one, other in self._pairs),
        ]


def _crossing(ones: Geometries, others: Geometries) -> tuple[Geometries, Geometries]:
    """Pairs in which the second shape cuts the first."""
    one, other = (index.ravel() for index in np.indices((len(ones), len(others))))
    first, second = ones[one], others[other]
    cut = shapely.intersects(first, second) & ~shapely.covers(second, first)
    return _copied(first[cut]), _copied(second[cut])


def _copied(shapes: Geometries) -> Geometries:
    """Copies, so that what was prepared elsewhere helps nobody."""
    copies: Geometries = shapely.from_wkb(shapely.to_wkb(shapes))
    return copies


def _snapped(shapes: Sequence[shapely.Geometry]) -> Geometries:
    return _GRID.snap(np.array(shapes, dtype=object))
