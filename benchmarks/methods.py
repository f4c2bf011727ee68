"""Three ways to the same areas: the worker, a plain SQL join, and the bare GEOS kernel."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import shapely
from psycopg import Connection
from psycopg.rows import TupleRow
from shapely import STRtree

from worker.assessments.layers import LayerCache
from worker.assessments.nutrient import assess_nutrient
from worker.assessments.nutrient_result import NutrientResult
from worker.assessments.nutrient_rules import FloatArray
from worker.assessments.overlay import Geometries
from worker.boundary.model import Site
from worker.reference.versions import ReferenceVersions
from worker.settings import NutrientConstants
from worker.sqlfiles import statement

_HECTARE_M2 = 10_000.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What every method has to agree on for a site. ``None``: the method does not say."""

    area_ha: float
    works: int | None = None
    authority: str | None = None
    subcatchment: str | None = None


class WorkerMethod:
    """The assessment as jobs run it, with its layers warm."""

    def __init__(
        self, connection: Connection, versions: ReferenceVersions, sites: list[Site]
    ) -> None:
        self._connection = connection
        self._versions = versions
        self._sites = sites
        self._constants = NutrientConstants()
        self._layers = LayerCache()

    def run(self) -> NutrientResult:
        """Everything, from geometries in memory to typed results."""
        return assess_nutrient(
            self._connection,
            self._sites,
            self._versions,
            self._constants,
            layers=self._layers,
        )

    def answers(self) -> dict[int, Answer]:
        """By site number."""
        return {
            site.site: Answer(
                math.fsum(catchment.area_ha for catchment in site.nn_catchments),
                site.wwtw_id,
                site.lpa,
                site.subcatchment,
            )
            for site in self.run().sites
        }


class PlainJoin:
    """A temporary table filled row by row, then each cell against site and whole catchment."""

    def __init__(self, connection: Connection, sites: list[Site]) -> None:
        self._connection = connection
        self._sites = sites

    def run(self) -> tuple[list[TupleRow], list[TupleRow]]:
        """Pieces and majority assignments; no rounding, loads or totals."""
        connection = self._connection
        with connection.transaction(force_rollback=True):
            connection.execute(statement("benchmarks", "create_sites"))
            for site in self._sites:
                connection.execute(
                    statement("benchmarks", "add_site"),
                    {"number": site.number, "wkt": site.geometry.wkt},
                )
            connection.execute("CREATE INDEX ON bench_site USING gist (geom)")
            connection.execute("ANALYZE bench_site")
            pieces = connection.execute(statement("benchmarks", "plain_join")).fetchall()
            majority = connection.execute(statement("benchmarks", "plain_majority")).fetchall()
        return pieces, majority

    def answers(self) -> dict[int, Answer]:
        """By site number."""
        pieces, majority = self.run()
        areas: dict[int, list[float]] = defaultdict(list)
        for number, *_, area_m2 in pieces:
            areas[number].append(area_m2 / _HECTARE_M2)
        return {number: Answer(math.fsum(areas[number]), *rest) for number, *rest in majority}


class Kernel:
    """The floor: intersection and area of exactly the pairs on an edge, all of it in memory.

    Shapes are what sites share with each catchment. Pairs whose cell lies inside the shape need no
    intersection and are not part of the floor; nothing is prepared.
    """

    def __init__(
        self, connection: Connection, versions: ReferenceVersions, sites: list[Site]
    ) -> None:
        numbers, shapes = _shapes(connection, versions, sites)
        cells = _cells(connection, versions, shapes)
        shape, cell = STRtree(cells).query(shapes, predicate="intersects")
        shapely.prepare(shapes)
        inside = shapely.covers(shapes[shape], cells[cell])
        self._numbers = numbers[shape]
        self._inside_m2 = np.where(inside, shapely.area(cells[cell]), 0.0)
        self._edge = np.flatnonzero(~inside)
        # Copies, so that what was prepared above helps nobody.
        copies = shapely.from_wkb(shapely.to_wkb(shapes))
        self._shapes = copies[shape[self._edge]]
        self._cells = cells[cell[self._edge]]

    @property
    def pairs(self) -> int:
        """How many pairs are intersected."""
        return len(self._edge)

    def run(self) -> FloatArray:
        """Areas (m2) of the pairs on an edge."""
        areas: FloatArray = shapely.area(shapely.intersection(self._shapes, self._cells))
        return areas

    def answers(self) -> dict[int, Answer]:
        """By site number; areas only."""
        area_m2 = self._inside_m2.copy()
        area_m2[self._edge] = self.run()
        return {
            int(number): Answer(math.fsum(area_m2[self._numbers == number].tolist()) / _HECTARE_M2)
            for number in np.unique(self._numbers)
        }


def _shapes(
    connection: Connection, versions: ReferenceVersions, sites: list[Site]
) -> tuple[Geometries, Geometries]:
    """Numbers of sites, and what they share with each catchment, from whole catchments."""
    rows = connection.execute(
        "SELECT ST_AsBinary(geom) FROM reference.nn_catchments WHERE version = %(version)s",
        {"version": versions.of("nn_catchments")},
    ).fetchall()
    catchments = shapely.from_wkb([row[0] for row in rows])
    geometries = np.array([site.geometry for site in sites], dtype=object)
    site, catchment = STRtree(catchments).query(geometries, predicate="intersects")
    whole = shapely.covers(catchments[catchment], geometries[site])
    shapes = geometries[site]
    shapes[~whole] = shapely.intersection(shapes[~whole], catchments[catchment[~whole]])
    polygonal = (shapely.get_dimensions(shapes) == 2) & (shapely.area(shapes) > 0)
    numbers = np.array([each.number for each in sites])
    return numbers[site[polygonal]], shapes[polygonal]


def _cells(connection: Connection, versions: ReferenceVersions, shapes: Geometries) -> Geometries:
    """Every cell that meets the box of a shape, once."""
    found: dict[int, bytes] = {}
    cursor = connection.cursor(binary=True)
    for west, south, east, north in shapely.bounds(shapes).tolist():
        cursor.execute(
            "SELECT id, ST_AsBinary(geom) FROM reference.coefficient_layer "
            "WHERE version = %s AND geom && ST_MakeEnvelope(%s, %s, %s, %s, 27700)",
            [versions.of("coefficient_layer"), west, south, east, north],
        )
        found.update(cursor.fetchall())
    cells: Geometries = shapely.from_wkb(np.array(list(found.values()), dtype=object))
    return cells
