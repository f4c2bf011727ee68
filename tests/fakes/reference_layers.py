"""Tiny reference layers, put straight into the partitions of a version."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import shapely
from psycopg import Connection, sql

from worker.assessments import gcn, nutrient
from worker.reference.versions import LayerVersion, ReferenceVersions

_LAYERS = (*nutrient.REQUIRED_LAYERS, *gcn.required_layers(has_survey=False))
_NOT_SUBDIVIDED = frozenset({"coefficient_layer", "gcn_ponds", "wwtw_lookup", "rates_lookup"})
_SUBDIVIDED = frozenset(_LAYERS) - _NOT_SUBDIVIDED

# Small enough to cut even a rectangle with a few points on its sides.
_MAX_VERTICES = 8

Value = str | int | float | None


class ReferenceLayers:
    """One version of every layer that assessments need, filled feature by feature.

    Coordinates are EPSG:27700 metres. A feature's id is its turn, as in a source file.
    """

    def __init__(self, connection: Connection, version: int = 1) -> None:
        self._connection = connection
        self._version = version
        self._features = dict.fromkeys(_LAYERS, 0)
        for layer in _LAYERS:
            self._create_partition(layer)
            if layer in _SUBDIVIDED:
                self._create_partition(f"{layer}_parts")

    @property
    def versions(self) -> ReferenceVersions:
        """All layers pinned to this version."""
        return ReferenceVersions(
            {layer: LayerVersion(layer, self._version, "test", "0" * 64) for layer in _LAYERS}
        )

    def cell(
        self,
        geometry: shapely.Geometry,
        *,
        n_current: float | None = 20.0,
        p_current: float | None = 0.5,
        n_residential: float | None = 15.0,
        p_residential: float | None = 1.5,
    ) -> None:
        """A cell of the coefficient layer, coefficients in kg/ha/year."""
        self._insert(
            "coefficient_layer",
            geometry,
            crome_id="RPA",
            lu_curr_n_coeff=n_current,
            lu_curr_p_coeff=p_current,
            n_resi_coeff=n_residential,
            p_resi_coeff=p_residential,
        )

    def cells(self, xmin: float, ymin: float, xmax: float, ymax: float, *, size: float) -> None:
        """Square cells of ``size`` metres that tile a rectangle, with coefficients that vary."""
        across, up = round((xmax - xmin) / size), round((ymax - ymin) / size)
        with self._connection.pipeline():
            for i, j in itertools.product(range(across), range(up)):
                left, bottom = xmin + i * size, ymin + j * size
                self.cell(
                    shapely.box(left, bottom, left + size, bottom + size),
                    n_current=10.0 + (7 * i + 13 * j) % 23,
                    p_current=0.1 + (3 * i + 5 * j) % 7 / 10,
                    n_residential=12.0 + (i + j) % 3,
                    p_residential=1.1 + (i * j) % 4 / 10,
                )

    def catchment(self, oid: int, name: str, geometry: shapely.Geometry) -> None:
        """A nutrient neutrality catchment."""
        self._insert("nn_catchments", geometry, oid=oid, n2k_site_name=name)

    def works_catchment(self, wwtw_id: int, geometry: shapely.Geometry) -> None:
        """The area that a treatment works serves."""
        self._insert("wwtw_catchments", geometry, wwtw_id=wwtw_id, name=f"catchment {wwtw_id}")

    def authority(self, name: str, geometry: shapely.Geometry) -> None:
        """A local planning authority."""
        self._insert("lpa_boundaries", geometry, name=name)

    def subcatchment(self, name: str, geometry: shapely.Geometry) -> None:
        """An operational catchment of the Water Framework Directive."""
        self._insert("subcatchments", geometry, opcat_name=name)

    def plan_area(self, name: str, geometry: shapely.Geometry) -> None:
        """The area of an environmental delivery plan."""
        self._insert("edp_boundaries", geometry, name=name)

    def excluded_area(self, name: str, geometry: shapely.Geometry) -> None:
        """An area that a plan leaves out."""
        self._insert("edp_excluded_areas", geometry, site_name=name)

    def risk_zone(self, colour: str, geometry: shapely.Geometry) -> None:
        """A newt risk zone: Red, Amber or Green."""
        self._insert("gcn_risk_zones", geometry, rz=colour)

    def partner(self, name: str, geometry: shapely.Geometry) -> None:
        """The area of a delivery partner."""
        self._insert("edp_edges", geometry, edp_name=name)

    def pond(self, geometry: shapely.Geometry) -> None:
        """A pond of the national layer."""
        self._insert("gcn_ponds", geometry, pond_id=f"pond-{self._features['gcn_ponds']}")

    def works(
        self,
        code: int,
        name: str = "Works",
        *,
        subcatchment: str | None = None,
        nitrogen: tuple[float | None, float | None] = (27.0, 10.0),
        phosphorus: tuple[float | None, float | None] = (5.0, 0.25),
        source_row: int = 1,
    ) -> None:
        """A row of the works lookup; concentrations (mg/l) before and from 2030."""
        self._insert(
            "wwtw_lookup",
            None,
            wwtw_code=code,
            name=name,
            subcatchment=subcatchment,
            n_conc_2025_2030=nitrogen[0],
            n_conc_2030_onwards=nitrogen[1],
            p_conc_2025_2030=phosphorus[0],
            p_conc_2030_onwards=phosphorus[1],
            source_row=source_row,
        )

    def rates(self, catchment: str, occupancy: float, water_usage: float) -> None:
        """Persons per dwelling, and litres per person and day, in a catchment."""
        self._insert(
            "rates_lookup",
            None,
            nn_catchment=catchment,
            occupancy_rate=occupancy,
            water_usage_l_person_day=water_usage,
        )

    def forget_parts(self, layer: str) -> None:
        """Take away the subdivided copy of ``layer``, as a load that went wrong would."""
        self._connection.execute(
            sql.SQL("DELETE FROM {} WHERE version = %s").format(_table(f"{layer}_parts")),
            [self._version],
        )

    def _create_partition(self, table: str) -> None:
        self._connection.execute(
            sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES IN ({})").format(
                _table(f"{table}_v{self._version}"),
                _table(table),
                sql.Literal(self._version),
            )
        )

    def _insert(self, layer: str, geometry: shapely.Geometry | None, **columns: Value) -> None:
        self._features[layer] += 1
        identity = self._features[layer]
        names: Sequence[str] = tuple(columns)
        values: list[Value | bytes] = [self._version, identity, *columns.values()]
        if geometry is not None:
            names = (*names, "geom")
            values.append(shapely.to_wkb(geometry))
        placeholders = [
            sql.SQL("ST_GeomFromWKB(%s, 27700)") if name == "geom" else sql.SQL("%s")
            for name in names
        ]
        self._connection.execute(
            sql.SQL("INSERT INTO {} (version, id, {}) VALUES (%s, %s, {})").format(
                _table(layer),
                sql.SQL(", ").join(map(sql.Identifier, names)),
                sql.SQL(", ").join(placeholders),
            ),
            values,
        )
        if layer in _SUBDIVIDED:
            self._connection.execute(
                sql.SQL(
                    "INSERT INTO {} (version, id, geom) "
                    "SELECT %s, %s, (ST_Dump(ST_Subdivide(ST_GeomFromWKB(%s, 27700), %s))).geom"
                ).format(_table(f"{layer}_parts")),
                [self._version, identity, values[-1], _MAX_VERTICES],
            )


def _table(name: str) -> sql.Identifier:
    return sql.Identifier("reference", name)
