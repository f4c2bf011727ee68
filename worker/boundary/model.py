"""What a boundary file becomes: features in file order, then sites to assess."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from shapely import MultiPolygon, Polygon

Area: TypeAlias = Polygon | MultiPolygon

# Great crested newts present, absent, or not surveyed; and whether a pond is lost for a time.
Pans: TypeAlias = Literal["P", "A", "NS"]
TmpImp: TypeAlias = Literal["T", "F"]


@dataclass(frozen=True, slots=True)
class BoundaryFeature:
    """One feature of the file: 2-D, valid, in EPSG:27700 (metres).

    ``number`` is its place in the file, from 1. The other fields are the file's attributes, None
    where the file has none.
    """

    number: int
    geometry: Area
    dwellings: int | None = None
    id: str | None = None
    name: str | None = None
    dwelling_category: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Boundary:
    """A file that passed every check; ``warnings`` are sentences for the result.

    ``dissolved``: all features as one area, where there are several and none has dwellings.
    """

    features: tuple[BoundaryFeature, ...]
    source_crs: str
    has_dwellings: bool
    warnings: tuple[str, ...] = ()
    dissolved: Area | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """What is assessed: one development, ``number`` from 1 in file order."""

    number: int
    geometry: Area
    dwellings: int
    id: str | None = None
    name: str | None = None
    dwelling_category: str | None = None
    source: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewtSite:
    """A polygon of the boundary file in a newt assessment, ``number`` from 1 in file order."""

    number: int
    geometry: Area
    id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class SurveyPond:
    """A pond of the survey file: 2-D, valid, in EPSG:27700; ``number`` is its place in the file."""

    number: int
    geometry: Area
    pans: Pans
    tmp_imp: TmpImp


@dataclass(frozen=True, slots=True)
class SurveyPonds:
    """A survey file that passed every check; ``warnings`` are sentences for the result."""

    ponds: tuple[SurveyPond, ...]
    source_crs: str
    warnings: tuple[str, ...] = ()
