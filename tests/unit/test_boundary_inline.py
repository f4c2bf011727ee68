"""Boundaries that come inside a quote message."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import pytest

from tests.fakes.boundaries import bow_tie, circle, polygon, square
from tests.fakes.boundary_reading import checked
from worker.boundary.inline import boundary_from_geojson
from worker.boundary.model import Boundary
from worker.errors import BoundaryError


def named(crs: object, geometry: Mapping[str, object] | None = None) -> dict[str, object]:
    """A geometry with a ``crs`` member of this name."""
    return dict(geometry or polygon(square())) | {
        "crs": {"type": "name", "properties": {"name": crs}}
    }


def read(geometry: Mapping[str, object], *, max_vertices: int = 500_000) -> Boundary:
    return boundary_from_geojson(geometry, max_vertices=max_vertices, max_area_ha=100_000)


def refused(geometry: Mapping[str, object], *, max_vertices: int = 500_000) -> BoundaryError:
    with pytest.raises(BoundaryError) as caught:
        read(geometry, max_vertices=max_vertices)
    return checked(caught.value)


@pytest.mark.parametrize(
    "geometry",
    [
        polygon(square()),
        named("EPSG:27700"),
        named("urn:ogc:def:crs:EPSG::27700"),
        {"type": "MultiPolygon", "coordinates": [polygon(square())["coordinates"]]},
    ],
)
def test_metres_are_taken_as_they_are(geometry: Mapping[str, object]) -> None:
    boundary = read(geometry)
    [only] = boundary.features
    assert only.number == 1
    assert only.geometry.area == pytest.approx(10_000)
    assert boundary.source_crs == "EPSG:27700"
    assert not boundary.has_dwellings
    assert boundary.warnings == ()


def test_metres_that_are_called_wgs84_are_read_with_a_warning() -> None:
    boundary = read(named("EPSG:4326"))
    [warning] = boundary.warnings
    assert "WGS 84" in warning


@pytest.mark.parametrize("crs", [None, "EPSG:27700", "EPSG:4326"])
def test_degrees_are_refused_whatever_they_are_called(crs: str | None) -> None:
    degrees = polygon(square(1.3, 52.6, 0.001))
    error = refused(named(crs, degrees) if crs else degrees)
    assert error.code == "coordinates_out_of_range"
    assert "look like degrees" in error.sentence


@pytest.mark.parametrize("crs", ["EPSG:3857", "", 27700, None])
def test_another_crs_is_refused(crs: object) -> None:
    assert refused(named(crs)).code == "crs_unsupported"


@pytest.mark.parametrize(
    ("geometry", "code"),
    [
        ({}, "not_polygonal"),
        ({"type": "Point", "coordinates": [620_000, 310_000]}, "not_polygonal"),
        ({"type": "Feature", "geometry": polygon(square())}, "not_polygonal"),
        ({"type": "Polygon"}, "geometry_invalid"),
        ({"type": "Polygon", "coordinates": []}, "geometry_empty"),
        (polygon(square()[:4]), "geometry_invalid"),
        (polygon(bow_tie()), "geometry_invalid"),
        (polygon(square(side=float("nan"))), "coordinates_out_of_range"),
        (polygon(square(side=float("inf"))), "coordinates_out_of_range"),
        ({"type": "Polygon", "coordinates": [[[10**400, 1]] * 5]}, "coordinates_out_of_range"),
        (polygon(square(900_000.0)), "coordinates_out_of_range"),
        (polygon(square(north=-1_000.0)), "coordinates_out_of_range"),
        (polygon(circle(100)), "too_many_vertices"),
        (polygon(square(100_000.0, side=40_000.0)), "too_large"),
    ],
)
def test_each_fault_has_its_code(geometry: Mapping[str, object], code: str) -> None:
    assert refused(geometry, max_vertices=100).code == code


def test_nesting_without_end_is_refused_at_the_level_where_it_is_wrong() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    assert refused({"type": "Polygon", "coordinates": nested}).code == "geometry_invalid"
    # Take it apart level by level: the interpreter would do it by recursion.
    while nested:
        nested = nested.pop()  # type: ignore[assignment]


def test_gdal_is_not_loaded_for_a_message(subprocess_modules: frozenset[str]) -> None:
    assert "shapely" in subprocess_modules
    assert not {"fiona", "convertbng"} & subprocess_modules


@pytest.fixture
def subprocess_modules() -> frozenset[str]:
    """Top-level modules of an interpreter that has read one inline boundary."""
    import json
    import subprocess

    program = (
        "import json, sys\n"
        "import worker.boundary.sandbox\n"
        "from worker.boundary.inline import boundary_from_geojson\n"
        "boundary_from_geojson(json.loads(sys.argv[1]), max_vertices=10, max_area_ha=1)\n"
        "print(json.dumps([name for name in sys.modules if '.' not in name]))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, json.dumps(polygon(square()))],
        capture_output=True,
        check=True,
        timeout=60,
    )
    return frozenset(json.loads(answer.stdout))
