"""The small reference layers and the lookups, kept in memory by version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import shapely
from psycopg import Connection, sql

from worker.assessments.lookups import (
    Rates,
    Works,
    empty,
    read_catchment_of_subcatchment,
    read_rates,
    read_works,
    require_rows,
    tidy,
)
from worker.assessments.overlay import Catchment, Geometries, KeyT, Layer
from worker.errors import ReferenceDataError
from worker.reference.versions import ReferenceVersions
from worker.sqlfiles import statement

_PACKAGE = "worker.assessments"

# Layers up to this size on disk are held whole, which takes about as much memory; of a larger one
# (planning authorities of the whole country in full detail) the parts near the sites are fetched.
MAX_HELD_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LayerKind(Generic[KeyT]):
    """A layer of polygons: its table, the columns that name a feature, and what they become.

    ``may_be_empty``: whether a version without any feature is an answer and not a fault.
    """

    table: str
    columns: tuple[str, ...]
    key: Callable[..., KeyT]
    may_be_empty: bool = False


def _catchment(oid: int, name: str) -> Catchment:
    return Catchment(oid, tidy(name))


NN_CATCHMENTS = LayerKind("nn_catchments", ("oid", "n2k_site_name"), _catchment)
WWTW_CATCHMENTS: LayerKind[int] = LayerKind("wwtw_catchments", ("wwtw_id",), int)
LPA_BOUNDARIES = LayerKind("lpa_boundaries", ("name",), tidy)
SUBCATCHMENTS = LayerKind("subcatchments", ("opcat_name",), tidy)
EDP_BOUNDARIES = LayerKind("edp_boundaries", ("name",), tidy, may_be_empty=True)
EDP_EXCLUDED_AREAS = LayerKind("edp_excluded_areas", ("site_name",), tidy, may_be_empty=True)

_ValueT = TypeVar("_ValueT")


class LayerCache:
    """What has been read of the pinned versions; a layer's older version makes way for the next.

    ``max_held_bytes``: layers larger than this are not held, but read near the sites each time.
    """

    def __init__(self, *, max_held_bytes: int = MAX_HELD_BYTES) -> None:
        self._max_held_bytes = max_held_bytes
        self._held: dict[str, tuple[object, object]] = {}

    def layer(
        self,
        connection: Connection,
        versions: ReferenceVersions,
        kind: LayerKind[KeyT],
        sites: Geometries,
    ) -> Layer[KeyT]:
        """The layer, or of a large one at least what meets the boxes of ``sites``.

        Raises ReferenceDataMissing ``reference_layer_empty`` and ReferenceDataError
        ``reference_layer_incomplete`` (a feature was loaded without its parts).
        """
        version = versions.of(kind.table)
        held = self._once(kind.table, version, lambda: self._whole_layer(connection, kind, version))
        return held if held is not None else _layer_near(connection, kind, version, sites)

    def works(self, connection: Connection, versions: ReferenceVersions) -> Mapping[int, Works]:
        """The treatment works lookup by code."""
        version = versions.of("wwtw_lookup")
        return self._once("wwtw_lookup", version, lambda: read_works(connection, version))

    def rates(self, connection: Connection, versions: ReferenceVersions) -> Mapping[str, Rates]:
        """The rates lookup by the name of a catchment."""
        version = versions.of("rates_lookup")
        return self._once("rates_lookup", version, lambda: read_rates(connection, version))

    def catchment_of_subcatchment(
        self, connection: Connection, versions: ReferenceVersions, name: str
    ) -> Catchment | None:
        """The catchment name, with its lowest OID, that overlaps a subcatchment most."""
        pinned = (versions.of("subcatchments"), versions.of("nn_catchments"))
        return self._once(
            f"catchment of {name}",
            pinned,
            lambda: read_catchment_of_subcatchment(connection, *pinned, name),
        )

    def check_rows(self, connection: Connection, versions: ReferenceVersions, table: str) -> None:
        """Raise ReferenceDataMissing ``reference_layer_empty`` if ``table`` has no row at all."""
        version = versions.of(table)
        self._once(table, version, lambda: require_rows(connection, table, version))

    def _once(self, name: str, version: object, read: Callable[[], _ValueT]) -> _ValueT:
        held = self._held.get(name)
        if held is None or held[0] != version:
            held = (version, read())
            self._held[name] = held
        value: _ValueT = held[1]  # type: ignore[assignment]  # stored by the same reader
        return value

    def _whole_layer(
        self, connection: Connection, kind: LayerKind[KeyT], version: int
    ) -> Layer[KeyT] | None:
        size = connection.execute(_query("layer_size", kind), {"version": version}).fetchone()
        if size is not None and size[0] > self._max_held_bytes:
            return None
        cursor = connection.cursor(binary=True)
        rows = cursor.execute(_query("layer_parts", kind), {"version": version}).fetchall()
        if not rows and not kind.may_be_empty:
            raise empty(kind.table)
        if any(row[-1] is None for row in rows):
            raise ReferenceDataError(
                "reference_layer_incomplete",
                f"The reference layer {kind.table} was not loaded completely.",
                detail=f"{kind.table} version {version} has features without parts",
            )
        return _as_layer(kind, rows)


def _layer_near(
    connection: Connection, kind: LayerKind[KeyT], version: int, sites: Geometries
) -> Layer[KeyT]:
    boxes = shapely.to_wkb(shapely.envelope(sites)).tolist()
    near = {"version": version, "boxes": boxes}
    cursor = connection.cursor(binary=True)
    rows = cursor.execute(_query("layer_parts_near", kind), near).fetchall()
    return _as_layer(kind, list(set(rows)))


def _as_layer(kind: LayerKind[KeyT], rows: list[tuple[object, ...]]) -> Layer[KeyT]:
    keys = [kind.key(*row[:-1]) for row in rows]
    return Layer(keys, shapely.from_wkb(np.array([row[-1] for row in rows], dtype=object)))


def _query(name: str, kind: LayerKind[KeyT]) -> sql.Composed:
    return sql.SQL(statement(_PACKAGE, name).decode()).format(
        key=sql.SQL(", ").join(sql.Identifier("feature", column) for column in kind.columns),
        layer=sql.Identifier("reference", kind.table),
        parts=sql.Identifier("reference", f"{kind.table}_parts"),
    )
