"""What a map shows of the reference layers: the features in its frame, cut to it."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import shapely
from psycopg import Connection, sql

from worker.reference.versions import ReferenceVersions
from worker.reports.map_frame import Frame
from worker.sqlfiles import statement

_PACKAGE = "worker.reports"

# More would be smaller than their own outlines, and the drawing would outgrow an e-mail.
MAX_CELLS = 1_500


@dataclass(frozen=True, slots=True)
class NamedArea:
    """The part of a feature that lies in the frame, and what the feature is called."""

    name: str
    geometry: shapely.Geometry


@dataclass(frozen=True, slots=True)
class NutrientSurroundings:
    """Layers of the nutrient assessment around a site; ``cells`` is None if there are too many."""

    catchments: tuple[NamedArea, ...]
    works: tuple[NamedArea, ...]
    cells: tuple[NamedArea, ...] | None


def read_nutrient_surroundings(
    connection: Connection, versions: ReferenceVersions, frame: Frame, *, with_cells: bool
) -> NutrientSurroundings:
    """Catchments, works' catchments and, if wanted, land-use cells in ``frame``."""
    return NutrientSurroundings(
        catchments=read_features(connection, versions, "nn_catchments", "n2k_site_name", frame),
        works=read_features(connection, versions, "wwtw_catchments", "wwtw_id", frame),
        cells=_read_cells(connection, versions, frame) if with_cells else None,
    )


def read_features(
    connection: Connection, versions: ReferenceVersions, layer: str, column: str, frame: Frame
) -> tuple[NamedArea, ...]:
    """The parts of a layer's features in ``frame``, named by ``column``; in the layer's order."""
    query = sql.SQL(statement(_PACKAGE, "map_features").decode()).format(
        name=sql.Identifier("feature", column), layer=sql.Identifier("reference", layer)
    )
    # A little more than is visible, so that the cut itself is not drawn as an outline.
    beyond = 10 * frame.metres_per_px
    rows = connection.execute(
        query,
        {
            "version": versions.of(layer),
            "west": frame.west - beyond,
            "south": frame.south - beyond,
            "east": frame.east + beyond,
            "north": frame.north + beyond,
        },
    ).fetchall()
    return _named(rows)


def _read_cells(
    connection: Connection, versions: ReferenceVersions, frame: Frame
) -> tuple[NamedArea, ...] | None:
    rows = connection.execute(
        statement(_PACKAGE, "map_cells"),
        {
            "version": versions.of("coefficient_layer"),
            "west": frame.west,
            "south": frame.south,
            "east": frame.east,
            "north": frame.north,
            "limit": MAX_CELLS + 1,
        },
    ).fetchall()
    # Sorted here: the database would have to sort what it then does not send.
    return None if len(rows) > MAX_CELLS else _named(sorted(rows, key=itemgetter(1)))


def _named(rows: list[tuple[object, ...]]) -> tuple[NamedArea, ...]:
    geometries = shapely.from_wkb(np.array([row[1] for row in rows], dtype=object))
    return tuple(
        NamedArea("not stated" if name is None else str(name), geometry)
        for (name, _), geometry in zip(rows, geometries, strict=True)
        if not geometry.is_empty
    )
