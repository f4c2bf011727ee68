"""What every reference layer is: its table, its columns and where a source keeps them.

The one description that the loader, the checks, the generator and the list of versions share;
``models`` and the migrations hold the same tables for the database, and a test compares them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

BRITISH_NATIONAL_GRID = 27700
# The grid's own extent in metres: 100 km squares from SV to HZ and JM.
GRID_EXTENT = (0.0, 0.0, 700_000.0, 1_300_000.0)
# A shapefile cuts longer attribute names off.
_DBF_NAME_LENGTH = 10


class ColumnType(StrEnum):
    """PostgreSQL types of reference columns, by their name in DDL."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "double precision"
    DECIMAL = "numeric"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a layer.

    ``spellings``: names in sources beside ``name``; case and punctuation never matter.
    ``required``: a row without a value refuses the load. ``optional``: a source may lack the
    column. ``minimum``, ``maximum``, ``allowed``: a value outside refuses the load (unless it is
    forced, for a range).
    """

    name: str
    type: ColumnType = ColumnType.TEXT
    spellings: tuple[str, ...] = ()
    required: bool = False
    optional: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] = ()

    def found_in(self, names: tuple[str, ...]) -> str | None:
        """Which of a source's ``names`` holds this column, by the order of its spellings."""
        plain = {_plain(name): name for name in reversed(names)}
        for spelling in self._accepted():
            if spelling in plain:
                return plain[spelling]
        return None

    def _accepted(self) -> Iterator[str]:
        spellings = (self.name, *self.spellings)
        for spelling in spellings:
            yield _plain(spelling)
        for spelling in spellings:
            if len(spelling) > _DBF_NAME_LENGTH:
                yield _plain(spelling[:_DBF_NAME_LENGTH])


@dataclass(frozen=True, slots=True)
class Layer:
    """One reference layer: table ``reference.<name>`` and how to recognise its source.

    ``key``: columns that are unique within a version. ``subdivided``: large polygons, kept a
    second time in pieces in ``reference.<name>_parts``.
    """

    name: str
    columns: tuple[Column, ...]
    spatial: bool = True
    subdivided: bool = False
    key: tuple[str, ...] = ()

    @property
    def parts(self) -> str:
        """Name of the table of pieces."""
        return f"{self.name}_parts"

    def matches(self, source_name: str) -> bool:
        """Whether a file or table of this name is a source of the layer."""
        # ArcGIS writes tables of a GeoPackage as main.<name>.
        return _plain(source_name.removeprefix("main.")) == _plain(self.name)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _coefficient(name: str, spelling: str, maximum: float) -> Column:
    return Column(name, ColumnType.NUMBER, (spelling,), minimum=0, maximum=maximum)


def _concentration(name: str, spelling: str) -> Column:
    return Column(name, ColumnType.NUMBER, (spelling,), minimum=0, maximum=1000)


LAYERS: tuple[Layer, ...] = (
    Layer(
        "coefficient_layer",
        (
            Column("crome_id"),
            Column("land_use_cat"),
            Column("nn_catchment"),
            Column("subcatchment"),
            # kg/ha/yr; no land use emits more.
            _coefficient("lu_curr_n_coeff", "LU_CurrNcoeff", 50),
            _coefficient("lu_curr_p_coeff", "LU_CurrPcoeff", 5),
            _coefficient("n_resi_coeff", "N_ResiCoeff", 50),
            _coefficient("p_resi_coeff", "P_ResiCoeff", 5),
        ),
    ),
    Layer(
        "wwtw_catchments",
        (
            Column("wwtw_id", ColumnType.INTEGER, ("WwTw_ID",), required=True),
            Column("name", spellings=("WwTW", "WwTW_name"), optional=True),
        ),
        subdivided=True,
    ),
    Layer(
        "lpa_boundaries",
        (Column("name", spellings=("LPA_name", "LPA"), required=True),),
        subdivided=True,
    ),
    Layer(
        "nn_catchments",
        (
            Column("oid", ColumnType.INTEGER, ("OBJECTID",), required=True),
            Column("n2k_site_name", spellings=("N2K_Site_N",), required=True),
        ),
        subdivided=True,
        key=("oid",),
    ),
    Layer(
        "subcatchments",
        (Column("opcat_name", required=True),),
        subdivided=True,
    ),
    Layer(
        "gcn_risk_zones",
        (Column("rz", required=True, allowed=("Red", "Amber", "Green")),),
        subdivided=True,
    ),
    Layer("gcn_ponds", (Column("pond_id", required=True),)),
    Layer(
        "edp_edges",
        (Column("edp_name", required=True),),
        subdivided=True,
    ),
    Layer(
        "edp_boundaries",
        (Column("name", spellings=("EDP_Name",), required=True),),
        subdivided=True,
    ),
    Layer(
        "edp_excluded_areas",
        (
            Column("site_name", required=True),
            Column("designation", spellings=("designation_type",), optional=True),
            Column("buffer_m", ColumnType.NUMBER, ("buff_dist_m", "buffer"), optional=True),
        ),
        subdivided=True,
    ),
    Layer(
        "wwtw_lookup",
        (
            Column("wwtw_code", ColumnType.INTEGER, required=True),
            Column("name", spellings=("WwTW_name",)),
            Column("subcatchment", spellings=("Subcatchment_name",)),
            _concentration("n_conc_2025_2030", "Nitrogen_2025_2030"),
            _concentration("n_conc_2030_onwards", "Nitrogen_2030_onwards"),
            _concentration("p_conc_2025_2030", "Phosphorus_2025_2030"),
            _concentration("p_conc_2030_onwards", "Phosphorus_2030_onwards"),
        ),
        spatial=False,
        key=("wwtw_code",),
    ),
    Layer(
        "rates_lookup",
        (
            Column("nn_catchment", required=True),
            Column(
                "occupancy_rate",
                ColumnType.NUMBER,
                ("Occ_Rate",),
                required=True,
                minimum=0.1,
                maximum=20,
            ),
            Column(
                "water_usage_l_person_day",
                ColumnType.NUMBER,
                ("Water_Usage_L_Day",),
                required=True,
                minimum=1,
                maximum=1000,
            ),
        ),
        spatial=False,
        key=("nn_catchment",),
    ),
    Layer(
        "levy_rates",
        (
            Column("nn_catchment", required=True),
            Column("gbp_per_kg_n", ColumnType.DECIMAL, required=True, minimum=0),
            Column("gbp_per_kg_p", ColumnType.DECIMAL, required=True, minimum=0),
            Column("inflation_factor", ColumnType.DECIMAL, required=True, minimum=0),
            Column("model_version", ColumnType.INTEGER, required=True, minimum=1),
            Column("is_sample", ColumnType.BOOLEAN, optional=True),
        ),
        spatial=False,
        key=("nn_catchment",),
    ),
)

BY_NAME = {layer.name: layer for layer in LAYERS}
