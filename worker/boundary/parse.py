"""A file of unknown content becomes a boundary or survey ponds; runs in the child process only.

What a file is, is told by its first bytes. Its name and extension decide nothing: a VRT, GML, KML
or anything else that GDAL could open is refused here, before GDAL sees it.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePath

import shapely

from worker.boundary import attributes, crs, geojson, shapefile
from worker.boundary.archive import ZIP_MAGIC, GeoJsonFile, unpack
from worker.boundary.crs import SourceCrs
from worker.boundary.geometry import AreaBudget, VertexBudget, polygonal
from worker.boundary.limits import Limits
from worker.boundary.model import Area, Boundary, BoundaryFeature, SurveyPond, SurveyPonds
from worker.boundary.reach import try_reach
from worker.boundary.sites import check_crossings, dissolved
from worker.boundary.validate import check_shape
from worker.errors import BoundaryError

_SNIFF_BYTES = 4096
_BOM = b"\xef\xbb\xbf"


def read_boundary(
    path: Path, *, filename_hint: str, target: Path, limits: Limits, with_dwellings: bool = True
) -> Boundary:
    """Read ``path``; archives are unpacked into the empty directory ``target``.

    ``filename_hint`` is the name the user gave the file; it only words the refusal. Without
    ``with_dwellings`` features are sites of newts: that attribute is not looked at, so nothing in
    it can be wrong, and what lies around them is tried out. Raises BoundaryError with any code of
    section 7 of the specification but ``survey_ponds_invalid``.
    """
    opened = _open(path, filename_hint, target, limits)
    read: list[BoundaryFeature] = []
    with closing(_features(opened, limits)) as features:
        for feature in features:
            found = attributes.read(feature.values, feature.where, with_dwellings=with_dwellings)
            read.append(
                BoundaryFeature(
                    number=feature.number,
                    geometry=feature.geometry,
                    dwellings=found.dwellings,
                    id=found.id,
                    name=found.name,
                    dwelling_category=found.dwelling_category,
                    source=found.source,
                )
            )
    has_dwellings = any(feature.dwellings is not None for feature in read)
    whole = None
    shapes = [feature.geometry for feature in read]
    if len(read) > 1 and not has_dwellings:
        whole = dissolved(shapes, max_vertices=limits.max_vertices)
    if not with_dwellings:
        try_reach(shapes, limits.site_buffer_m, limits)
    return Boundary(tuple(read), opened.crs.value, has_dwellings, dissolved=whole)


def read_survey_ponds(
    path: Path, *, filename_hint: str, target: Path, limits: Limits
) -> SurveyPonds:
    """Read ``path`` as ``read_boundary`` does; a pond without TmpImp has none, with a warning.

    Raises BoundaryError ``survey_ponds_invalid``, and the codes of any file or geometry.
    """
    opened = _open(path, filename_hint, target, limits)
    read: list[SurveyPond] = []
    silent = 0
    with closing(_features(opened, limits)) as features:
        for feature in features:
            found = attributes.read_pond(feature.values, feature.where)
            silent += found.tmp_imp is None
            tmp_imp = found.tmp_imp or "F"
            read.append(SurveyPond(feature.number, feature.geometry, found.pans, tmp_imp))
    # An assessment unites what lies around them.
    shapes = [pond.geometry for pond in read]
    check_crossings(shapes, max_vertices=limits.max_vertices)
    try_reach(shapes, limits.pond_buffer_m, limits)
    return SurveyPonds(tuple(read), opened.crs.value, tuple(_without_tmp_imp(silent, len(read))))


def _without_tmp_imp(silent: int, ponds: int) -> Iterator[str]:
    if silent:
        yield (
            f"{silent:,} of {ponds:,} surveyed ponds do not state a temporary impact (attribute"
            " TmpImp) and were taken as F."
        )


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file that is known to be a shapefile or GeoJSON; its features are read as they are used."""

    features: Generator[tuple[object, Mapping[str, object]], None, None]
    crs: SourceCrs


@dataclass(frozen=True, slots=True)
class _Feature:
    """A checked geometry in EPSG:27700, and attributes that nobody has looked at yet."""

    number: int
    geometry: Area
    values: Mapping[str, object]

    @property
    def where(self) -> str:
        return f"Feature {self.number}"


def _open(path: Path, filename_hint: str, target: Path, limits: Limits) -> _Opened:
    size = path.stat().st_size
    if size > limits.max_bytes:
        raise BoundaryError(
            "too_large", f"The file is larger than {limits.max_bytes // (1024 * 1024)} MB."
        )
    with path.open("rb") as file:
        start = file.read(_SNIFF_BYTES)
    if start.startswith(ZIP_MAGIC):
        found = unpack(path, target, limits)
        if not isinstance(found, GeoJsonFile):
            source = crs.from_prj(found.prj)
            return _Opened(shapefile.features(found, limits), source)
        path = found.path
        with path.open("rb") as file:
            start = file.read(_SNIFF_BYTES)
    if not start.removeprefix(_BOM).lstrip().startswith(b"{"):
        raise _not_a_boundary(start, filename_hint)
    document = geojson.load(path, limits)
    source = crs.from_geojson(document)
    return _Opened(geojson.features(document, limits), source)


def _features(opened: _Opened, limits: Limits) -> Generator[_Feature, None, None]:
    budget = VertexBudget(limits.max_vertices)
    converted = VertexBudget(limits.max_converted_vertices)
    covered = AreaBudget(limits.max_area_ha)
    number = 0
    # Closed as soon as a feature is refused: GDAL has the file open until then.
    with closing(opened.features) as features:
        for number, (geometry, values) in enumerate(features, start=1):
            where = f"Feature {number}"
            area = polygonal(geometry, where, budget)
            check_shape(area, where)
            area = crs.to_british_national_grid(area, opened.crs, where)
            converted.take(int(shapely.get_num_coordinates(area)))
            covered.take(area.area)
            yield _Feature(number, area, values)
    if number == 0:
        raise BoundaryError(
            "geometry_empty", "The shapefile holds no features: every row of it was deleted."
        )


def _not_a_boundary(start: bytes, filename_hint: str) -> BoundaryError:
    wanted = "Please send a ZIP file with one shapefile, or one GeoJSON file."
    if not start.strip():
        return BoundaryError("not_a_boundary_file", f"The file is empty. {wanted}")
    if start.startswith(shapefile.SHAPEFILE_MAGIC):
        return BoundaryError(
            "shapefile_incomplete",
            "The file is a part of a shapefile. Please send its .shp, .shx, .dbf and .prj files"
            " together in one ZIP file.",
        )
    suffix = PurePath(filename_hint).suffix.lower()
    if start.removeprefix(_BOM).lstrip().startswith(b"<"):
        kind = "an XML file (such as KML, GML or VRT)"
    elif re.fullmatch(r"\.[a-z0-9]{1,8}", suffix) and suffix not in {".zip", ".json", ".geojson"}:
        kind = f"a {suffix} file"
    else:
        kind = "of another kind than its name says"
    return BoundaryError("not_a_boundary_file", f"The file is {kind}. {wanted}")
