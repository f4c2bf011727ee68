"""GeoAlchemy2 models of the reference tables, for tools and queries built with SQLAlchemy.

Migrations make the tables and SQL files read them; a test holds both against this metadata. Only
what needs SQLAlchemy imports this module, since the daemon starts faster without it.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from geoalchemy2 import Geometry, WKBElement
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Integer,
    MetaData,
    Numeric,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from worker.reference.layers import BRITISH_NATIONAL_GRID

SCHEMA = "reference"
_BY_VERSION = {"schema": SCHEMA, "postgresql_partition_by": "LIST (version)"}


class Base(DeclarativeBase):
    """Metadata of the schema ``reference``; Python types map to PostgreSQL's."""

    metadata = MetaData(schema=SCHEMA)
    type_annotation_map: ClassVar[dict[object, object]] = {
        str: Text,
        float: Double,
        Decimal: Numeric,
        datetime: DateTime(timezone=True),
    }


class LayerVersion(Base):
    """A loaded version of a layer."""

    __tablename__ = "layer_versions"
    __table_args__ = (
        CheckConstraint("version >= 1"),
        CheckConstraint("status IN ('loading', 'ready', 'pruned')"),
    )

    layer: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str]
    status: Mapped[str]
    source_name: Mapped[str]
    source_sha256: Mapped[str]
    row_count: Mapped[int] = mapped_column(BigInteger, server_default="0")
    report: Mapped[dict[str, object]] = mapped_column(JSONB, server_default=text("'{}'"))
    loaded_by: Mapped[str]
    loaded_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ActiveVersion(Base):
    """The pointer of a layer: which version new jobs use."""

    __tablename__ = "active_versions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["layer", "version"], ["layer_versions.layer", "layer_versions.version"]
        ),
    )

    layer: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    activated_by: Mapped[str]
    activated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    reason: Mapped[str | None]


class Switch(Base):
    """One change of what is active: who, when and why."""

    __tablename__ = "switches"
    __table_args__ = (
        CheckConstraint("action IN ('load', 'forced', 'activate', 'rollback')"),
        CheckConstraint("action <> 'forced' OR reason IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    action: Mapped[str]
    reason: Mapped[str | None]
    made_by: Mapped[str]
    made_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SwitchedLayer(Base):
    """A layer of a switch; without a previous version it was the layer's first."""

    __tablename__ = "switched_layers"
    __table_args__ = (
        ForeignKeyConstraint(
            ["layer", "version"], ["layer_versions.layer", "layer_versions.version"]
        ),
    )

    switch_id: Mapped[int] = mapped_column(ForeignKey("switches.id"), primary_key=True)
    layer: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    previous_version: Mapped[int | None]


class _OfVersion:
    """A row of one version of a layer; ``id`` is its place in the source, from 1."""

    __table_args__: Any = _BY_VERSION

    version: Mapped[int] = mapped_column(Integer)
    id: Mapped[int] = mapped_column(BigInteger)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, object]:  # noqa: N805 - a class method to SQLAlchemy
        # No primary key in the database: an index that no query uses costs time at each load.
        return {"primary_key": ["version", "id"]}


class _Feature(_OfVersion):
    """A row with a polygon or multipolygon in EPSG:27700."""

    geom: Mapped[WKBElement] = mapped_column(
        Geometry("GEOMETRY", srid=BRITISH_NATIONAL_GRID, spatial_index=False), nullable=False
    )


class _Part(_OfVersion):
    """A piece of the feature ``id``; pieces of a feature do not overlap."""

    geom: Mapped[WKBElement] = mapped_column(
        Geometry("POLYGON", srid=BRITISH_NATIONAL_GRID, spatial_index=False), nullable=False
    )


class CoefficientCell(_Feature, Base):
    """A piece of land with one use; coefficients in kg/ha/yr."""

    __tablename__ = "coefficient_layer"

    crome_id: Mapped[str | None]
    land_use_cat: Mapped[str | None]
    nn_catchment: Mapped[str | None]
    subcatchment: Mapped[str | None]
    lu_curr_n_coeff: Mapped[float | None]
    lu_curr_p_coeff: Mapped[float | None]
    n_resi_coeff: Mapped[float | None]
    p_resi_coeff: Mapped[float | None]


class WorksCatchment(_Feature, Base):
    """Area that drains to a treatment works; several rows may share ``wwtw_id``."""

    __tablename__ = "wwtw_catchments"

    wwtw_id: Mapped[int]
    name: Mapped[str | None]


class WorksCatchmentPart(_Part, Base):
    """Piece of a works' catchment."""

    __tablename__ = "wwtw_catchments_parts"


class LpaBoundary(_Feature, Base):
    """Area of a local planning authority."""

    __tablename__ = "lpa_boundaries"

    name: Mapped[str]


class LpaBoundaryPart(_Part, Base):
    """Piece of an authority's area."""

    __tablename__ = "lpa_boundaries_parts"


class NnCatchment(_Feature, Base):
    """Nutrient neutrality catchment; several may share a site name."""

    __tablename__ = "nn_catchments"

    oid: Mapped[int]
    n2k_site_name: Mapped[str]


class NnCatchmentPart(_Part, Base):
    """Piece of a nutrient neutrality catchment."""

    __tablename__ = "nn_catchments_parts"


class Subcatchment(_Feature, Base):
    """Operational catchment of the Water Framework Directive."""

    __tablename__ = "subcatchments"

    opcat_name: Mapped[str]


class SubcatchmentPart(_Part, Base):
    """Piece of an operational catchment."""

    __tablename__ = "subcatchments_parts"


class GcnRiskZone(_Feature, Base):
    """Great crested newt risk zone: Red, Amber or Green."""

    __tablename__ = "gcn_risk_zones"
    __table_args__ = (CheckConstraint("rz IN ('Red', 'Amber', 'Green')"), _BY_VERSION)

    rz: Mapped[str]


class GcnRiskZonePart(_Part, Base):
    """Piece of a risk zone."""

    __tablename__ = "gcn_risk_zones_parts"


class GcnPond(_Feature, Base):
    """A pond of the national map."""

    __tablename__ = "gcn_ponds"

    pond_id: Mapped[str]


class EdpEdge(_Feature, Base):
    """Area of a delivery partner."""

    __tablename__ = "edp_edges"

    edp_name: Mapped[str]


class EdpEdgePart(_Part, Base):
    """Piece of a delivery partner's area."""

    __tablename__ = "edp_edges_parts"


class EdpBoundary(_Feature, Base):
    """Area of an environmental delivery plan."""

    __tablename__ = "edp_boundaries"

    name: Mapped[str]


class EdpBoundaryPart(_Part, Base):
    """Piece of a plan's area."""

    __tablename__ = "edp_boundaries_parts"


class EdpExcludedArea(_Feature, Base):
    """Area that a plan leaves out, with the width of the buffer that is part of it (m)."""

    __tablename__ = "edp_excluded_areas"

    site_name: Mapped[str]
    designation: Mapped[str | None]
    buffer_m: Mapped[float | None]


class EdpExcludedAreaPart(_Part, Base):
    """Piece of an excluded area."""

    __tablename__ = "edp_excluded_areas_parts"


class Works(_OfVersion, Base):
    """Permit concentrations of a treatment works, in mg/l."""

    __tablename__ = "wwtw_lookup"

    wwtw_code: Mapped[int]
    name: Mapped[str | None]
    subcatchment: Mapped[str | None]
    n_conc_2025_2030: Mapped[float | None]
    n_conc_2030_onwards: Mapped[float | None]
    p_conc_2025_2030: Mapped[float | None]
    p_conc_2030_onwards: Mapped[float | None]
    source_row: Mapped[int]


class CatchmentRates(_OfVersion, Base):
    """Persons per dwelling and litres per person and day in a catchment."""

    __tablename__ = "rates_lookup"

    nn_catchment: Mapped[str]
    occupancy_rate: Mapped[float]
    water_usage_l_person_day: Mapped[float]


class LevyRates(_OfVersion, Base):
    """Pounds per kilogram in a catchment; ``is_sample`` marks figures nobody has published."""

    __tablename__ = "levy_rates"

    nn_catchment: Mapped[str]
    gbp_per_kg_n: Mapped[Decimal]
    gbp_per_kg_p: Mapped[Decimal]
    inflation_factor: Mapped[Decimal]
    model_version: Mapped[int]
    is_sample: Mapped[bool] = mapped_column(server_default=text("false"))
