"""Coordinate reference systems: recognised by parameters, converted to the millimetre."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest
from fiona.crs import CRS
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Polygon

from tests.fakes.boundaries import (
    BRITISH_NATIONAL_GRID_PRJ,
    WEB_MERCATOR_PRJ,
    WGS84_PRJ,
    Shapefile,
    collection,
    feature,
    geojson,
    polygon,
    square,
)
from tests.fakes.boundary_reading import checked, limits, read, refusal
from worker.boundary import crs
from worker.boundary.crs import SourceCrs
from worker.errors import BoundaryError

# Easting, northing, latitude, longitude of points that the Ordnance Survey publishes to test
# implementations of OSTN15, from the Isles of Scilly to the Isle of Man and the Wash.
PUBLISHED = [
    (91492.146, 11318.804, 49.92226393730, -6.29977752014),
    (170370.718, 11572.405, 49.96006137820, -5.20304609998),
    (250359.811, 62016.569, 50.43885825610, -4.10864563561),
    (449816.371, 75335.861, 50.57563665000, -1.29782277240),
    (438710.920, 114792.250, 50.93127937910, -1.45051433700),
    (292184.870, 168003.465, 51.40078220140, -3.55128349240),
    (639821.835, 169565.858, 51.37447025550, 1.44454730409),
    (362269.991, 169978.690, 51.42754743020, -2.54407618349),
    (530624.974, 178388.464, 51.48936564950, -0.11992557180),
    (241124.584, 220332.641, 51.85890896400, -4.30852476960),
    (599445.590, 225722.826, 51.89436637350, 0.89724327012),
    (389544.190, 261912.153, 52.25529381630, -2.15458614387),
    (474335.969, 262047.755, 52.25160951230, -0.91248956970),
    (651409.804, 313177.450, 52.658007833, 1.716073973),
    (331534.564, 431920.794, 53.77911025760, -3.04045490691),
    (422242.186, 433818.701, 53.80021519630, -1.66379168242),
    (227778.330, 468847.388, 54.08666318080, -4.63452168212),
    (525745.670, 470703.214, 54.11685144290, -0.07773133187),
    (244780.636, 495254.887, 54.32919541010, -4.38849118133),
]

OGC_BNG = (
    'PROJCS["OSGB36 / British National Grid",GEOGCS["OSGB36",DATUM["Ordnance_Survey_of_Great_'
    'Britain_1936",SPHEROID["Airy 1830",6377563.396,299.3249646,AUTHORITY["EPSG","7001"]],'
    'AUTHORITY["EPSG","6277"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],'
    'UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4277"]],'
    'PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",49],'
    'PARAMETER["central_meridian",-2],PARAMETER["scale_factor",0.9996012717],'
    'PARAMETER["false_easting",400000],PARAMETER["false_northing",-100000],'
    'UNIT["metre",1,AUTHORITY["EPSG","9001"]],AXIS["Easting",EAST],AXIS["Northing",NORTH],'
    'AUTHORITY["EPSG","27700"]]'
)
# As written by older GDAL and QGIS: no authority, and a datum shift.
BOUND_BNG = (
    'PROJCS["unnamed",GEOGCS["OSGB 1936",DATUM["OSGB_1936",SPHEROID["Airy 1830",6377563.396,'
    "299.3249646],TOWGS84[446.448,-125.157,542.06,0.15,0.247,0.842,-20.489]],"
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4277"]],'
    'PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",49],'
    'PARAMETER["central_meridian",-2],PARAMETER["scale_factor",0.9996012717],'
    'PARAMETER["false_easting",400000],PARAMETER["false_northing",-100000],UNIT["metre",1]]'
)
CRS84_WKT = (
    'GEOGCS["WGS 84 (CRS84)",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],AXIS["Longitude",EAST],'
    'AXIS["Latitude",NORTH],AUTHORITY["OGC","CRS84"]]'
)
OGC_WGS84 = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,'
    'AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4326"]]'
)
ETRS89 = (
    'GEOGCS["GCS_ETRS_1989",DATUM["D_ETRS_1989",SPHEROID["GRS_1980",6378137.0,298.257222101]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
)


@pytest.mark.parametrize(
    ("prj", "expected"),
    [
        (BRITISH_NATIONAL_GRID_PRJ, SourceCrs.BRITISH_NATIONAL_GRID),
        (OGC_BNG, SourceCrs.BRITISH_NATIONAL_GRID),
        (BOUND_BNG, SourceCrs.BRITISH_NATIONAL_GRID),
        (WGS84_PRJ, SourceCrs.WGS84),
        (OGC_WGS84, SourceCrs.WGS84),
        (CRS84_WKT, SourceCrs.CRS84),
    ],
)
def test_dialects_of_the_accepted_systems_are_recognised(prj: str, expected: SourceCrs) -> None:
    assert crs.from_prj(prj.encode()) is expected


@pytest.mark.parametrize(
    "prj",
    [
        WEB_MERCATOR_PRJ,
        ETRS89,
        "not a wkt",
        "EPSG:27700",
        "http://example.invalid/crs.wkt",
        BRITISH_NATIONAL_GRID_PRJ.replace("-100000.0", "-5100000.0"),
        BRITISH_NATIONAL_GRID_PRJ.replace('"Meter",1.0', '"Foot",0.3048'),
        BRITISH_NATIONAL_GRID_PRJ.replace('"Greenwich",0.0', '"Paris",2.337229167'),
        BRITISH_NATIONAL_GRID_PRJ.replace("0.9996012717", "0.9996"),
        BRITISH_NATIONAL_GRID_PRJ.replace("Transverse_Mercator", "Mercator"),
        BRITISH_NATIONAL_GRID_PRJ.replace("Airy_1830", "WGS_1984")
        .replace("6377563.396,299.3249646", "6378137.0,298.257223563")
        .replace("D_OSGB_1936", "D_WGS_1984"),
        OGC_BNG.replace("400000", "500000"),
        CRS84_WKT.replace("6378137,298.257223563", "6377563.396,299.3249646"),
        OGC_WGS84.replace("6378137,298.257223563", "6377563.396,299.3249646"),
    ],
)
def test_other_systems_are_refused_whatever_they_are_called(prj: str) -> None:
    error = refusal(Shapefile(prj=prj).zipped())
    assert error.code == "crs_unsupported"
    assert "EPSG:27700" in error.sentence


# As written by ArcGIS, and by GDAL.
ESRI_NEWLYN = (
    'VERTCS["Newlyn",VDATUM["Ordnance_Datum_Newlyn"],PARAMETER["Vertical_Shift",0.0],'
    'PARAMETER["Direction",1.0],UNIT["Meter",1.0]]'
)
ESRI_ELLIPSOIDAL = (
    'VERTCS["WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
    'PARAMETER["Vertical_Shift",0.0],PARAMETER["Direction",1.0],UNIT["Meter",1.0]]'
)
OGC_NEWLYN = 'VERT_CS["ODN height",VERT_DATUM["Ordnance Datum Newlyn",2005],UNIT["metre",1]]'


@pytest.mark.parametrize(
    ("prj", "expected"),
    [
        (f"{BRITISH_NATIONAL_GRID_PRJ},{ESRI_NEWLYN}", SourceCrs.BRITISH_NATIONAL_GRID),
        (f'COMPD_CS["with heights",{OGC_BNG},{OGC_NEWLYN}]', SourceCrs.BRITISH_NATIONAL_GRID),
        (f'COMPD_CS["with heights",{OGC_WGS84},{OGC_NEWLYN}]', SourceCrs.WGS84),
        (CRS.from_epsg(7405).to_wkt(version="WKT2_2019"), SourceCrs.BRITISH_NATIONAL_GRID),
        (CRS.from_epsg(7405).to_wkt(version="WKT1_ESRI"), SourceCrs.BRITISH_NATIONAL_GRID),
        (f"{BRITISH_NATIONAL_GRID_PRJ},{ESRI_ELLIPSOIDAL}", SourceCrs.BRITISH_NATIONAL_GRID),
        (f"{WGS84_PRJ},{ESRI_ELLIPSOIDAL}", SourceCrs.WGS84),
        (f"{WGS84_PRJ} ,\n{ESRI_NEWLYN}", SourceCrs.WGS84),
        (CRS.from_epsg(4979).to_wkt(version="WKT2_2019"), SourceCrs.WGS84),
        (CRS.from_epsg(4979).to_wkt(version="WKT1_ESRI"), SourceCrs.WGS84),
        (CRS.from_epsg(9518).to_wkt(), SourceCrs.WGS84),
    ],
)
def test_a_system_of_heights_is_dropped_as_heights_are(prj: str, expected: SourceCrs) -> None:
    assert crs.from_prj(prj.encode()) is expected


@pytest.mark.parametrize(
    "horizontal",
    [
        WEB_MERCATOR_PRJ,
        ETRS89,
        BRITISH_NATIONAL_GRID_PRJ.replace("0.9996012717", "0.9996"),
        BRITISH_NATIONAL_GRID_PRJ.replace('"Meter",1.0', '"Foot",0.3048'),
        WGS84_PRJ.replace("433]]", '433],AXIS["Long",WEST],AXIS["Lat",NORTH]]'),
        WEB_MERCATOR_PRJ[:-1] + ',AUTHORITY["EPSG","27700"]]',
    ],
)
def test_a_system_of_heights_makes_no_other_system_acceptable(horizontal: str) -> None:
    for prj in (
        f"{horizontal},{ESRI_NEWLYN}",
        f"{horizontal},{ESRI_ELLIPSOIDAL}",
        f'COMPD_CS["x",{horizontal},{OGC_NEWLYN}]',
    ):
        assert refusal(Shapefile(prj=prj).zipped()).code == "crs_unsupported"


@pytest.mark.parametrize(
    "prj",
    [
        f'GEOGCS["x],{ESRI_NEWLYN}',
        f"{ESRI_NEWLYN}",
        f"],{ESRI_NEWLYN},{BRITISH_NATIONAL_GRID_PRJ}",
        CRS.from_epsg(4937).to_wkt(version="WKT1_ESRI"),
    ],
)
def test_what_is_left_without_heights_has_to_be_a_system(prj: str) -> None:
    assert refusal(Shapefile(prj=prj).zipped()).code == "crs_unsupported"


@pytest.mark.parametrize("shown", [BRITISH_NATIONAL_GRID_PRJ, OGC_BNG, BOUND_BNG])
def test_british_national_grid_is_recognised_as_older_programs_spelt_it(shown: str) -> None:
    factor = shown.replace("0.9996012717", "0.999601272")
    both = factor.replace("299.3249646", "299.32496127")
    for prj in (factor, both, shown.replace("299.3249646", "299.32496127")):
        assert prj != shown
        assert crs.from_prj(prj.encode()) is SourceCrs.BRITISH_NATIONAL_GRID


@pytest.mark.parametrize(
    ("figure", "other"),
    [
        ("0.9996012717", "0.99960127"),
        ("0.9996012717", "0.9996012727"),
        ("0.9996012717", "0.9996012721"),
        ("299.3249646", "299.32496"),
        ("299.3249646", "299.32496128"),
        ("299.3249646", "299.324961270"),
    ],
)
def test_no_other_number_is_nearly_the_right_one(figure: str, other: str) -> None:
    prj = BRITISH_NATIONAL_GRID_PRJ.replace(figure, other)
    assert refusal(Shapefile(prj=prj).zipped()).code == "crs_unsupported"


def test_the_sentence_names_the_refused_system() -> None:
    error = refusal(Shapefile(prj=WEB_MERCATOR_PRJ).zipped())
    assert "WGS_1984_Web_Mercator_Auxiliary_Sphere" in error.sentence


def test_a_name_from_the_file_cannot_inject_lines_or_markup() -> None:
    prj = WEB_MERCATOR_PRJ.replace("WGS_1984_Web", "<b>\nlevel=error [link](http://x)")
    error = refusal(Shapefile(prj=prj).zipped())
    assert not set("<>[]\n=") & set(error.sentence)


@pytest.mark.parametrize("prj", [None, "", " \r\n"])
def test_a_missing_or_empty_prj_is_no_system(prj: str | None) -> None:
    assert refusal(Shapefile(prj=prj).zipped()).code == "crs_missing"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("EPSG:27700", SourceCrs.BRITISH_NATIONAL_GRID),
        ("urn:ogc:def:crs:EPSG::27700", SourceCrs.BRITISH_NATIONAL_GRID),
        ("urn:ogc:def:crs:EPSG:9.6:27700", SourceCrs.BRITISH_NATIONAL_GRID),
        ("urn:x-ogc:def:crs:EPSG:27700", SourceCrs.BRITISH_NATIONAL_GRID),
        ("http://www.opengis.net/def/crs/EPSG/0/27700", SourceCrs.BRITISH_NATIONAL_GRID),
        ("http://www.opengis.net/gml/srs/epsg.xml#27700", SourceCrs.BRITISH_NATIONAL_GRID),
        ("epsg:4326", SourceCrs.WGS84),
        ("urn:ogc:def:crs:EPSG::4326", SourceCrs.WGS84),
        ("urn:ogc:def:crs:OGC:1.3:CRS84", SourceCrs.CRS84),
        ("OGC:CRS84", SourceCrs.CRS84),
        ("http://www.opengis.net/def/crs/OGC/1.3/CRS84", SourceCrs.CRS84),
        ("EPSG:7405", SourceCrs.BRITISH_NATIONAL_GRID),
        ("urn:ogc:def:crs:EPSG::7405", SourceCrs.BRITISH_NATIONAL_GRID),
        ("EPSG:9518", SourceCrs.WGS84),
        ("http://www.opengis.net/def/crs/EPSG/0/4979", SourceCrs.WGS84),
        ("urn:ogc:def:crs:OGC::CRS84h", SourceCrs.CRS84),
        ("http://www.opengis.net/def/crs/OGC/0/CRS84h", SourceCrs.CRS84),
    ],
)
def test_names_in_geojson_are_recognised(name: str, expected: SourceCrs) -> None:
    assert crs.from_geojson(collection(crs=name)) is expected


@pytest.mark.parametrize(
    "member",
    [
        {"type": "name", "properties": {"name": "EPSG:3857"}},
        {"type": "name", "properties": {"name": "EPSG:127700"}},
        {"type": "name", "properties": {"name": "EPSG:7423"}},
        {"type": "name", "properties": {"name": "EPSG:5621"}},
        {"type": "name", "properties": {"name": "EPSG:27700 or so"}},
        {"type": "name", "properties": {"name": "British National Grid"}},
        {"type": "name", "properties": {"name": 27700}},
        {"type": "name", "properties": {}},
        {"type": "name"},
        {"type": "link", "properties": {"href": "http://127.0.0.1:1/crs"}},
        {"type": "EPSG", "properties": {"code": 27700}},
        "EPSG:27700",
        27700,
        [],
    ],
)
def test_other_crs_members_are_refused(member: object) -> None:
    document = collection(feature(polygon(square()))) | {"crs": member}
    assert refusal(json.dumps(document).encode()).code == "crs_unsupported"


def test_a_null_crs_member_is_no_system() -> None:
    document = collection(feature(polygon(square()))) | {"crs": None}
    assert refusal(json.dumps(document).encode()).code == "crs_missing"


def test_geojson_without_crs_is_wgs84() -> None:
    assert read(geojson(polygon(square(1.3, 52.6, 0.001)), crs=None)).source_crs == "OGC:CRS84"


def test_a_feature_cannot_name_another_system_than_its_file() -> None:
    own = polygon(square(1.3, 52.6, 0.001))
    own["crs"] = {"type": "name", "properties": {"name": "EPSG:4326"}}
    assert refusal(geojson(own)).code == "crs_unsupported"
    same = polygon(square())
    same["crs"] = {"type": "name", "properties": {"name": "EPSG:27700"}}
    assert len(read(geojson(same)).features) == 1


@pytest.mark.parametrize(("easting", "northing", "latitude", "longitude"), PUBLISHED)
def test_published_points_convert_to_the_millimetre(
    easting: float, northing: float, latitude: float, longitude: float
) -> None:
    ring = square(longitude, latitude, 0.001)
    [only] = read(geojson(polygon(ring), crs=None)).features
    x, y = only.geometry.exterior.coords[0]
    assert math.hypot(x - easting, y - northing) <= 0.001 * math.sqrt(2) + 1e-9


@given(longitude=st.floats(-5.0, 1.4), latitude=st.floats(50.8, 55.0), side=st.floats(0.0002, 0.01))
def test_conversion_keeps_the_area_of_sites(longitude: float, latitude: float, side: float) -> None:
    area = Polygon(square(longitude, latitude, side))
    try:
        converted = crs.to_british_national_grid(area, SourceCrs.WGS84, "Feature 1")
    except BoundaryError as error:
        # Off the coast, where OSTN15 has no value.
        assert error.code == "coordinates_out_of_range"
        return
    # Radii of curvature of WGS 84; the grid's scale is within 0.1 % of true.
    e2, phi = 0.00669437999014, math.radians(latitude + side / 2)
    w = 1 - e2 * math.sin(phi) ** 2
    expected = (
        math.radians(side) ** 2
        * (6378137 * (1 - e2) / w**1.5)
        * (6378137 / math.sqrt(w) * math.cos(phi))
    )
    assert converted.area == pytest.approx(expected, rel=0.002)


def test_long_sides_are_densified_and_short_ones_are_not() -> None:
    def vertices(side: float) -> int:
        [only] = read(geojson(polygon(square(1.0, 52.5, side)), crs=None)).features
        return len(only.geometry.exterior.coords)

    assert vertices(0.0015) == 5
    assert vertices(0.1) > 100


def test_densifying_follows_the_parallel() -> None:
    roomy = limits(max_area_ha=1e6)
    [wide] = read(geojson(polygon(square(0.5, 52.4, 0.4)), crs=None), under=roomy).features
    # Halfway along its southern side the parallel is some 19 m from the straight line.
    pieces = [square(0.5 + 0.01 * step, 52.4, 0.01) for step in range(40)]
    rows = [[(x, y + 0.01 * row) for x, y in piece] for piece in pieces for row in range(40)]
    fine = read(geojson(*map(polygon, rows), crs=None), under=roomy)
    assert wide.geometry.area == pytest.approx(
        sum(feature.geometry.area for feature in fine.features), abs=200
    )


def test_a_ring_to_and_fro_does_not_grow_without_bound() -> None:
    teeth = [(-2.0 + 0.0001 * step, 51.0 if step % 2 else 53.0) for step in range(2_000)]
    ring = [*teeth, (teeth[-1][0], 53.5), (teeth[0][0], 53.5), teeth[0]]
    under = limits(max_area_ha=1e6)
    [only] = read(geojson(polygon(ring), crs=None), under=under).features
    assert len(only.geometry.exterior.coords) < 250_000


@pytest.mark.parametrize(
    ("ring", "told"),
    [
        (square(52.6, 1.3, 0.001), "swapped"),
        (square(5.0, 45.0, 0.001), "outside Great Britain"),
        (square(-20.0, 55.0, 0.001), "outside Great Britain"),
        (square(), "metres"),
        (square(181.0, 52.0, 0.001), "degrees"),
    ],
    ids=["swapped", "France", "Atlantic", "metres", "no longitude"],
)
def test_degrees_outside_great_britain_are_refused(
    ring: list[tuple[float, float]], told: str
) -> None:
    for content in (
        geojson(polygon(ring), crs=None),
        geojson(polygon(ring), crs="EPSG:4326"),
        Shapefile(shapes=[[ring]], prj=WGS84_PRJ).zipped(),
    ):
        error = refusal(content)
        assert error.code == "coordinates_out_of_range"
        assert told in error.sentence


@pytest.mark.parametrize(
    ("ring", "told"),
    [
        (square(1.3, 52.6, 0.001), "look like degrees"),
        (square(52.6, 1.3, 0.001), "look like degrees"),
        (square(700_050.0), "outside Great Britain"),
        (square(-50.0), "outside Great Britain"),
        (square(north=1_300_000.0), "outside Great Britain"),
        (square(north=-50.0), "outside Great Britain"),
        (square(310_000.0, 6_200_000.0), "outside Great Britain"),
    ],
)
def test_metres_outside_great_britain_are_refused(
    ring: list[tuple[float, float]], told: str
) -> None:
    for content in (geojson(polygon(ring)), Shapefile(shapes=[[ring]]).zipped()):
        error = refusal(content)
        assert error.code == "coordinates_out_of_range"
        assert told in error.sentence


def test_validity_is_checked_again_after_conversion() -> None:
    # Narrower than a millimetre: valid in degrees, without area once rounded on the grid.
    ring = [(1.3, 52.6), (1.3, 52.6 + 1e-9), (1.3 + 1e-9, 52.6 + 1e-9), (1.3, 52.6)]
    error = refusal(geojson(polygon(ring), crs=None))
    assert error.code == "geometry_invalid"
    assert "converted" in error.sentence


def fake_convertbng(folder: Path, formula: str) -> Path:
    """An installed ``convertbng`` that gives other values."""
    package = folder / "convertbng"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "cutil.py").write_text(
        f"import numpy as np\ndef convert_bng(longitudes, latitudes):\n    return {formula}\n"
    )
    return folder


@pytest.mark.parametrize(
    "formula",
    [
        "np.full(len(longitudes), 651411.9), np.full(len(longitudes), 313174.8)",
        "np.full(len(longitudes), 651409.806), np.full(len(longitudes), 313177.45)",
        "np.full(len(longitudes), np.nan), np.full(len(longitudes), np.nan)",
    ],
    ids=["3.4 m off", "2 mm off", "no grid"],
)
def test_an_inaccurate_conversion_fails_instead_of_moving_the_site(
    formula: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The real one is loaded first, so that it is there again afterwards.
    crs.published_point_error_m()
    for name in [name for name in sys.modules if name.startswith("convertbng")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(fake_convertbng(tmp_path, formula)))
    crs.published_point_error_m.cache_clear()
    try:
        with pytest.raises(BoundaryError) as caught:
            read(geojson(polygon(square(1.3, 52.6, 0.001)), crs=None))
        # Files that need no conversion are not affected.
        assert len(read(geojson(polygon(square()))).features) == 1
    finally:
        crs.published_point_error_m.cache_clear()
    error = checked(caught.value)
    assert error.code == "transformation_unavailable"
    assert "m" in error.detail
