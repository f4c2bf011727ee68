"""Real files of the regulator, read through the sandbox as the worker reads them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.boundary.sandbox import Sandbox
from worker.boundary.sites import sites_from_boundary
from worker.settings import BoundarySettings, GcnConstants


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(BoundarySettings(), GcnConstants()) as opened:
        opened.warm()
        yield opened


def test_one_site_is_the_same_from_both_formats(sandbox: Sandbox, acceptance_dir: Path) -> None:
    sites = [
        sites_from_boundary(
            sandbox.read_boundary(acceptance_dir / "nutrient" / name), dwellings=None
        )
        for name in ("one_site.zip", "one_site.geojson")
    ]
    [[shapefile], [geojson]] = sites
    assert geojson.geometry.equals_exact(shapefile.geometry, tolerance=1e-6)
    assert shapefile.geometry.area == pytest.approx(259.392014469, abs=1e-6)
    for site in (shapefile, geojson):
        assert (site.number, site.dwellings, site.id) == (1, 1, "24/00119/F")
        assert site.name == "Old White Horse Station Road East Rudham"
        assert (site.dwelling_category, site.source) == ("in-system", "RHK_West Norfolk_System")
        assert site.warnings == ()


def test_the_sample_has_83_sites_in_file_order(sandbox: Sandbox, acceptance_dir: Path) -> None:
    nutrient = acceptance_dir / "nutrient"
    boundary = sandbox.read_boundary(nutrient / "broads_wensum_sample.zip")
    sites = sites_from_boundary(boundary, dwellings=None)
    assert [site.number for site in sites] == list(range(1, 84))
    with (nutrient / "broads_wensum_sample_expected.csv").open(encoding="utf-8-sig") as file:
        expected = {row["id"]: row for row in csv.DictReader(file)}
    matched = [(site, expected[site.id]) for site in sites if site.id in expected]
    assert len(matched) > 50
    for site, row in matched:
        assert site.dwellings == int(float(row["Dwellings"]))
        assert round(site.geometry.area / 10_000, 2) == pytest.approx(float(row["Dev_Area_Ha"]))


def test_newt_sites_stay_separate_features(sandbox: Sandbox, acceptance_dir: Path) -> None:
    boundary = sandbox.read_boundary(acceptance_dir / "gcn" / "site_boundary.zip")
    assert [feature.number for feature in boundary.features] == [1, 2, 3, 4]
    assert not boundary.has_dwellings


def test_surveyed_ponds_are_polygons_that_pass_the_checks(
    sandbox: Sandbox, acceptance_dir: Path
) -> None:
    boundary = sandbox.read_boundary(acceptance_dir / "gcn" / "site_ponds.zip")
    assert len(boundary.features) == 559
