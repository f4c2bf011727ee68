"""Files that GDAL would open, follow or fetch for, under the names of boundaries."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.boundaries import Shapefile, geojson, polygon, square, zipped
from tests.fakes.boundary_reading import Refuse, refusal
from tests.fakes.canary import Canary, http_canary
from worker.boundary.sandbox import Sandbox

SITE = geojson(polygon(square()))


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    with http_canary(SITE) as server:
        yield server


def vrt(source: str) -> bytes:
    return (
        f'<OGRVRTDataSource><OGRVRTLayer name="upload"><SrcDataSource>{source}</SrcDataSource>'
        "<SrcLayer>upload</SrcLayer></OGRVRTLayer></OGRVRTDataSource>"
    ).encode()


def entity(system: str, body: str) -> bytes:
    return f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "{system}">]>{body}'.encode()


FORMATS: dict[str, Callable[[str, str], bytes]] = {
    "vrt over http": lambda url, _: vrt(f"/vsicurl/{url}/site.geojson"),
    "vrt of a file": lambda _, secret: vrt(secret),
    "gdalg": lambda url, _: json.dumps(
        {
            "type": "gdal_streamed_alg",
            "command_line": f"gdal vector pipeline ! read /vsicurl/{url}/site.geojson",
        }
    ).encode(),
    "gdalg of a file": lambda _, secret: json.dumps(
        {
            "type": "gdal_streamed_alg",
            "command_line": f"gdal vector pipeline ! read {secret}",
        }
    ).encode(),
    "bare vsicurl path": lambda url, _: f"/vsicurl/{url}/site.geojson".encode(),
    "geojson by url": lambda url, _: f"GeoJSON:{url}/site.geojson".encode(),
    "gml with entity": lambda url, _: entity(
        f"{url}/gml.dtd",
        '<gml:FeatureCollection xmlns:gml="http://www.opengis.net/gml">&e;'
        "<gml:featureMember/></gml:FeatureCollection>",
    ),
    "kml with file entity": lambda _, secret: entity(
        f"file://{secret}",
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Placemark><name>&e;</name></Placemark></kml>',
    ),
    "kml with network link": lambda url, _: (
        '<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><NetworkLink><Link>'
        f"<href>{url}/a.kml</href></Link></NetworkLink></kml>"
    ).encode(),
    "mrf": lambda url, _: (
        "<MRF_META><CachedSource><Source>/vsicurl/"
        f"{url}/a.tif</Source></CachedSource><Raster><Size x='1' y='1'/></Raster></MRF_META>"
    ).encode(),
    "wfs": lambda url, _: f"<OGRWFSDataSource><URL>{url}/wfs</URL></OGRWFSDataSource>".encode(),
    "esri json": lambda url, _: json.dumps(
        {"geometryType": "esriGeometryPolygon", "features": [], "url": url}
    ).encode(),
    "topojson": lambda _, __: b'{"type": "Topology", "objects": {}, "arcs": []}',
}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A boundary elsewhere on the machine, which no upload may get at."""
    path = tmp_path / "upload.geojson"
    path.write_bytes(SITE)
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_other_formats_are_refused_under_every_name(
    name: str, canary: Canary, secret: Path, refuse: Refuse
) -> None:
    content = FORMATS[name](canary.url, str(secret))
    assert refuse(content, "site.geojson").code == "not_a_boundary_file"
    # The parser is the same without its sandbox, and has less to hold it back.
    for archive in (
        zipped({"site.geojson": content}),
        zipped({"site.json": content, "readme.txt": b""}),
        zipped({"site.vrt": content}),
        Shapefile().zipped(shp=content),
    ):
        assert refusal(archive).code in {"not_a_boundary_file", "boundary_unreadable"}
    assert canary.requests == []


@pytest.mark.parametrize("part", ["shx", "dbf", "prj", "cpg"])
def test_other_formats_are_refused_as_parts_of_a_shapefile(
    part: str, canary: Canary, secret: Path
) -> None:
    for name in ("vrt over http", "bare vsicurl path"):
        error = refusal(Shapefile().zipped(**{part: FORMATS[name](canary.url, str(secret))}))
        assert error.code in {"boundary_unreadable", "crs_unsupported"}
    assert canary.requests == []


def test_files_beside_the_shapefile_are_never_opened(
    canary: Canary, secret: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    files = {f"site{suffix}": content for suffix, content in Shapefile().parts().items()}
    beside = {
        f"site.{suffix}": FORMATS["vrt over http"](canary.url, str(secret))
        for suffix in ("vrt", "kml", "gml", "shp.aux.xml", "qix", "idm", "tif.mrf", "xml")
    }
    path = tmp_path / "upload.zip"
    path.write_bytes(zipped(files | beside))
    assert len(sandbox.read_boundary(path).features) == 1
    assert canary.requests == []


def test_gdal_itself_would_follow_these_files(canary: Canary, secret: Path, tmp_path: Path) -> None:
    """The canary sings and the secret is read when GDAL is asked plainly: the tests can fail."""
    program = (
        "import fiona, sys\n"
        "print(len(list(fiona.open(sys.argv[1], allow_unsupported_drivers=True))))"
    )

    def opened(content: bytes) -> bytes:
        path = tmp_path / "plain.vrt"
        path.write_bytes(content)
        return subprocess.run(
            [sys.executable, "-c", program, str(path)], capture_output=True, timeout=60, check=False
        ).stdout.strip()

    before = len(canary.requests)
    assert opened(vrt(str(secret))) == b"1"
    opened(vrt(f"/vsicurl/{canary.url}/upload.geojson"))
    assert len(canary.requests) > before
    canary.requests.clear()
