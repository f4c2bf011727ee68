"""GeoJSON, read by Python's json module and not by GDAL.

GDAL's driver accepts dialects (TopoJSON, ESRI JSON, newline-delimited), NaN and unclosed rings;
RFC 7946 is small enough to be read strictly, and then no file of this kind reaches GDAL at all.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

from worker.boundary import crs
from worker.boundary.crs import SourceCrs
from worker.boundary.geometry import too_many_vertices
from worker.boundary.limits import Limits
from worker.errors import BoundaryError

_GEOMETRY_TYPES = (
    "Point",
    "MultiPoint",
    "LineString",
    "MultiLineString",
    "Polygon",
    "MultiPolygon",
    "GeometryCollection",
)
# Compared by equality and not by hash: a type may be anything that JSON has.
_TYPES = ("FeatureCollection", "Feature", *_GEOMETRY_TYPES)


def load(path: Path, limits: Limits) -> Mapping[str, object]:
    """The GeoJSON object in ``path``.

    Raises BoundaryError: ``too_large``, ``too_many_vertices``, ``boundary_unreadable``,
    ``not_a_boundary_file``.
    """
    if path.stat().st_size > limits.max_bytes:
        raise BoundaryError(
            "too_large", f"The GeoJSON file is larger than {limits.max_bytes // (1024 * 1024)} MB."
        )
    content = path.read_bytes()
    # Every position opens a bracket, and rings of four positions add one for each ring and part.
    # Counted here, since parsed positions take ten times the memory of their text.
    if content.count(b"[") > 2 * (limits.max_vertices + limits.max_features):
        raise too_many_vertices(limits.max_vertices)
    document = _parsed(content)
    if not isinstance(document, dict) or document.get("type") not in _TYPES:
        raise BoundaryError(
            "not_a_boundary_file",
            "The file is JSON but not GeoJSON: it has no type such as FeatureCollection.",
        )
    return document


def _parsed(content: bytes) -> object:
    try:
        parsed: object = json.loads(
            content.decode("utf-8-sig"),
            parse_constant=_refuse_constant,
            object_pairs_hook=_unambiguous,
        )
    except UnicodeDecodeError as error:
        raise _unreadable("The GeoJSON file is not in UTF-8.") from error
    except RecursionError as error:
        raise _unreadable("The GeoJSON file is nested too deeply.") from error
    except json.JSONDecodeError as error:
        raise _unreadable(
            f"The file is not valid JSON (line {error.lineno}, column {error.colno})."
        ) from error
    except ValueError as error:
        # An integer of more digits than Python converts.
        raise _unreadable("The GeoJSON file holds a number that is far too long.") from error
    return parsed


def _refuse_constant(name: str) -> object:
    raise _unreadable(f"The GeoJSON file holds the value {name}, which JSON does not have.")


def _unambiguous(members: Sequence[tuple[str, object]]) -> dict[str, object]:
    """An object, unless a key stands twice: Python would take the last, others the first."""
    found = dict(members)
    if len(found) < len(members):
        raise _unreadable(
            "The GeoJSON file states something twice: the same key stands more than once in an"
            " object. Please leave only one of them."
        )
    return found


def _unreadable(sentence: str) -> BoundaryError:
    return BoundaryError("boundary_unreadable", sentence)


def features(
    document: Mapping[str, object], limits: Limits
) -> Generator[tuple[object, Mapping[str, object]], None, None]:
    """(geometry, attributes) of each feature in file order; a bare geometry is one feature.

    Raises BoundaryError: ``geometry_empty``, ``too_large``, ``not_a_boundary_file``,
    ``crs_unsupported``.
    """
    match document:
        case {"type": "FeatureCollection", "features": list(found)}:
            if not found:
                raise BoundaryError("geometry_empty", "The GeoJSON file holds no features.")
            if len(found) > limits.max_features:
                raise BoundaryError(
                    "too_large",
                    f"The GeoJSON file holds more than {limits.max_features:,} features.",
                )
            for number, feature in enumerate(found, start=1):
                yield _feature(feature, crs.from_geojson(document), f"Feature {number}")
        case {"type": "Feature"}:
            yield _feature(document, crs.from_geojson(document), "Feature 1")
        case {"type": str(kind)} if kind in _GEOMETRY_TYPES:
            yield document, {}
        case _:
            raise BoundaryError(
                "not_a_boundary_file", "The GeoJSON's FeatureCollection has no list of features."
            )


def _feature(
    feature: object, file_crs: SourceCrs, where: str
) -> tuple[object, Mapping[str, object]]:
    match feature:
        case dict() if feature.get("type") == "Feature":
            geometry = feature.get("geometry")
            for member in (feature, geometry):
                _refuse_other_crs(member, file_crs, where)
            properties = feature.get("properties")
            return geometry, properties if isinstance(properties, dict) else {}
    raise BoundaryError("not_a_boundary_file", f"{where} of the GeoJSON is not a Feature.")


def _refuse_other_crs(member: object, file_crs: SourceCrs, where: str) -> None:
    """GeoJSON of 2008 allows a ``crs`` on any object; ignoring one would misplace the site."""
    if not isinstance(member, dict) or "crs" not in member:
        return
    if crs.from_geojson(member).is_degrees != file_crs.is_degrees:
        raise BoundaryError(
            "crs_unsupported",
            f"{where} names another coordinate reference system than the file."
            " Please use one for the whole file.",
        )
