"""The pieces of coefficient cells inside shapes: (shape, cell) pairs with area and coefficients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from typing import Self

import numpy as np
import shapely
from psycopg import Connection

from worker.assessments.nutrient_rules import (
    SQUARE_METRES_PER_HECTARE,
    BoolArray,
    Coefficients,
    FloatArray,
    IntArray,
)
from worker.assessments.overlay import AREA_NOISE_M2, Geometries, group_starts
from worker.sqlfiles import statement

# A shape that is larger than a tile is looked up tile by tile, so that a long or scattered one does
# not fetch all the cells between its ends.
_TILE_M = 2_000.0
# Boxes of one query: about 5,000 cells of the national layer (0.4 ha each), some 10 MB in memory.
_BATCH_M2 = 20e6
_BATCH_BOXES = 64
# Each takes milliseconds if the shape has hundreds of thousands of vertices.
_CUT_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Pieces:
    """What shapes share with cells, sorted by shape and cell; one entry for each pair."""

    shape: IntArray
    cell: IntArray
    area_ha: FloatArray
    n_current: FloatArray
    p_current: FloatArray
    n_residential: FloatArray
    p_residential: FloatArray

    @property
    def nitrogen(self) -> Coefficients:
        """Nitrogen coefficients of the pieces."""
        return Coefficients(self.n_current, self.n_residential)

    @property
    def phosphorus(self) -> Coefficients:
        """Phosphorus coefficients of the pieces."""
        return Coefficients(self.p_current, self.p_residential)

    def take(self, index: IntArray) -> Self:
        """The pieces at ``index``, in its order."""
        return type(self)(*(getattr(self, field.name)[index] for field in fields(self)))

    @classmethod
    def joined(cls, batches: list[Self]) -> Self:
        """All pieces of ``batches``, each pair once: a cell on the edge of a box comes twice."""
        every = cls(
            *(np.concatenate([getattr(b, field.name) for b in batches]) for field in fields(cls))
        )
        order = np.lexsort((every.cell, every.shape))
        return every.take(order[group_starts(every.shape[order], every.cell[order])])


@dataclass(frozen=True, slots=True)
class _Boxes:
    """Rectangles in which to look for cells, and the shape that each of them belongs to."""

    shape: IntArray
    box: Geometries


def pieces(
    connection: Connection,
    version: int,
    shapes: Geometries,
    checkpoint: Callable[[], None],
) -> Pieces:
    """Every piece of a cell of ``version`` that lies inside one of ``shapes``.

    Memory grows with the number of pieces, not with their geometries: cells are fetched and
    measured in batches. ``checkpoint`` is called before each, and while those on an edge are cut.
    The next batch is fetched while one is measured, so that the database and this process work at
    the same time.
    """
    shapely.prepare(shapes)
    found: list[Pieces] = []
    fetch = partial(_candidates, connection, version)
    batches = list(_batches(shapes))
    ahead: Future[list[_Row]] | None = None
    with ThreadPoolExecutor(max_workers=1) as background:
        for following, batch in enumerate(batches, start=1):
            checkpoint()
            rows = fetch(batch) if ahead is None else ahead.result()
            is_last = following == len(batches)
            ahead = None if is_last else background.submit(fetch, batches[following])
            found.append(_measured(rows, shapes, batch.shape, checkpoint))
    return Pieces.joined(found or [_measured([], shapes, np.empty(0, dtype=np.int64), checkpoint)])


_Row = tuple[int, int, float | None, float | None, float | None, float | None, bytes]


def _candidates(connection: Connection, version: int, boxes: _Boxes) -> list[_Row]:
    cursor = connection.cursor(binary=True)
    cursor.execute(
        statement("worker.assessments", "candidate_cells"),
        {"version": version, "boxes": shapely.to_wkb(boxes.box).tolist()},
    )
    return cursor.fetchall()


def _measured(
    rows: list[_Row],
    shapes: Geometries,
    shape_of_box: IntArray,
    checkpoint: Callable[[], None],
) -> Pieces:
    columns = list(zip(*rows, strict=True)) or [()] * 7
    shape = shape_of_box[np.array(columns[0], dtype=np.int64) - 1]
    cells = shapely.from_wkb(np.array(columns[6], dtype=object))
    area_m2 = _shared_area_m2(shapes[shape], cells, checkpoint)
    coefficients = [np.array(column, dtype=np.float64) for column in columns[2:6]]
    found = Pieces(
        shape,
        np.array(columns[1], dtype=np.int64),
        area_m2 / SQUARE_METRES_PER_HECTARE,
        *coefficients,
    )
    return found.take(np.flatnonzero(area_m2 > AREA_NOISE_M2))


def _shared_area_m2(
    shapes: Geometries, cells: Geometries, checkpoint: Callable[[], None]
) -> FloatArray:
    """Area of each shape's intersection with its cell; only cells on an edge are intersected."""
    area_m2 = np.zeros(len(cells))
    inside = shapely.covers(shapes, cells)
    area_m2[inside] = shapely.area(cells[inside])
    edge = np.flatnonzero(~inside)
    edge = edge[shapely.intersects(shapes[edge], cells[edge])]
    for start in range(0, len(edge), _CUT_AT_ONCE):
        checkpoint()
        some = edge[start : start + _CUT_AT_ONCE]
        area_m2[some] = shapely.area(shapely.intersection(shapes[some], cells[some]))
    return area_m2


def _batches(shapes: Geometries) -> Iterator[_Boxes]:
    boxes = _boxes(shapes)
    area_m2 = np.cumsum(shapely.area(boxes.box))
    start = 0
    while start < len(boxes.box):
        before_m2 = area_m2[start - 1] if start else 0.0
        end = int(np.searchsorted(area_m2, before_m2 + _BATCH_M2, side="right"))
        end = min(max(end, start + 1), start + _BATCH_BOXES)
        yield _Boxes(boxes.shape[start:end], boxes.box[start:end])
        start = end


def _boxes(shapes: Geometries) -> _Boxes:
    """The box of each shape; of a large one the tiles that it meets."""
    bounds = shapely.bounds(shapes)
    is_large = (bounds[:, 2:] - bounds[:, :2] > _TILE_M).any(axis=1)
    small, large = np.flatnonzero(~is_large), np.flatnonzero(is_large)
    tiles = [_tiles(shape) for shape in shapes[large]]
    return _Boxes(
        np.concatenate([small, np.repeat(large, [len(each) for each in tiles])]).astype(np.int64),
        np.concatenate([shapely.envelope(shapes[small]), *tiles]),
    )


def _tiles(shape: shapely.Geometry) -> Geometries:
    xmin, ymin, xmax, ymax = shape.bounds
    across, up = np.meshgrid(np.arange(xmin, xmax, _TILE_M), np.arange(ymin, ymax, _TILE_M))
    left, bottom = across.ravel(), up.ravel()
    right, top = np.minimum(left + _TILE_M, xmax), np.minimum(bottom + _TILE_M, ymax)
    tiles: Geometries = shapely.box(left, bottom, right, top)
    met: BoolArray = shapely.intersects(shape, tiles)
    return tiles[met]
