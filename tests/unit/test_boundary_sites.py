"""Which sites a boundary has, and whose number of dwellings counts."""

from __future__ import annotations

import pytest
from shapely.geometry import MultiPolygon, Polygon

from tests.fakes.boundaries import square
from tests.fakes.boundary_reading import checked
from worker.boundary.model import Boundary, BoundaryFeature, Site
from worker.boundary.sites import dissolved, newt_sites_from_boundary, sites_from_boundary
from worker.errors import BoundaryError


def boundary(*dwellings: int | None, step: float = 200.0, names: str = "") -> Boundary:
    """Squares of 100 m beside each other, one for each number."""
    features = tuple(
        BoundaryFeature(
            number=number,
            geometry=Polygon(square(620_000 + step * number)),
            dwellings=own,
            id=f"id-{number}",
            name=names[number - 1] if names else None,
            dwelling_category="in-system",
            source="plan",
        )
        for number, own in enumerate(dwellings, start=1)
    )
    return Boundary(
        features=features,
        source_crs="EPSG:27700",
        has_dwellings=any(own is not None for own in dwellings),
        dissolved=dissolved([feature.geometry for feature in features], max_vertices=500_000),
    )


def refused(found: Boundary, dwellings: int | None) -> BoundaryError:
    with pytest.raises(BoundaryError) as caught:
        sites_from_boundary(found, dwellings=dwellings)
    return checked(caught.value)


def test_features_with_dwellings_are_sites_in_file_order() -> None:
    found = boundary(11, 0, 250)
    sites = sites_from_boundary(found, dwellings=None)
    assert [(site.number, site.dwellings, site.id) for site in sites] == [
        (1, 11, "id-1"),
        (2, 0, "id-2"),
        (3, 250, "id-3"),
    ]
    assert [site.geometry for site in sites] == [feature.geometry for feature in found.features]
    assert all(site.warnings == () for site in sites)


def test_features_without_dwellings_are_one_development() -> None:
    [site] = sites_from_boundary(boundary(None, None, None), dwellings=40)
    assert (site.number, site.dwellings) == (1, 40)
    assert isinstance(site.geometry, MultiPolygon)
    assert site.geometry.area == pytest.approx(30_000)


def test_overlapping_features_are_not_counted_twice() -> None:
    [site] = sites_from_boundary(boundary(None, None, step=50), dwellings=40)
    assert isinstance(site.geometry, Polygon)
    assert site.geometry.area == pytest.approx(15_000)


def test_one_development_has_the_attributes_that_all_features_share() -> None:
    [site] = sites_from_boundary(boundary(None, None, names="ab"), dwellings=1)
    assert (site.id, site.name, site.dwelling_category, site.source) == (
        None,
        None,
        "in-system",
        "plan",
    )
    [alone] = sites_from_boundary(boundary(None, names="a"), dwellings=1)
    assert (alone.id, alone.name) == ("id-1", "a")


def test_a_single_geometry_is_taken_as_it_is() -> None:
    found = boundary(None)
    [site] = sites_from_boundary(found, dwellings=5)
    assert site.geometry is found.features[0].geometry


def test_some_features_without_dwellings_are_an_error() -> None:
    for given in (None, 40):
        error = refused(boundary(11, None, 5, None), given)
        assert error.code == "dwellings_missing"
        assert "2 of 4" in error.sentence and "feature 2" in error.sentence


def test_no_number_anywhere_is_an_error() -> None:
    assert refused(boundary(None), None).code == "dwellings_missing"


@pytest.mark.parametrize("given", [0, -1])
@pytest.mark.parametrize("own", [None, 11])
def test_the_given_number_has_to_be_one_or_more(given: int, own: int | None) -> None:
    assert refused(boundary(own), given).code == "dwellings_invalid"


@pytest.mark.parametrize(("own", "given"), [((11,), 11), ((11, 4), 15), ((0, 3), 3)])
def test_agreeing_numbers_need_no_warning(own: tuple[int, ...], given: int) -> None:
    sites = sites_from_boundary(boundary(*own), dwellings=given)
    assert [site.dwellings for site in sites] == list(own)
    assert all(site.warnings == () for site in sites)


def test_the_number_in_the_file_wins_with_a_warning() -> None:
    [site] = sites_from_boundary(boundary(11), dwellings=12)
    assert site.dwellings == 11
    assert site.warnings == (
        "The request states 12 dwellings, the boundary file 11. The numbers in the file were used.",
    )


def test_many_numbers_are_compared_by_their_sum() -> None:
    sites: tuple[Site, ...] = sites_from_boundary(boundary(1_000, 500), dwellings=1_000)
    assert [site.dwellings for site in sites] == [1_000, 500]
    for site in sites:
        [warning] = site.warnings
        assert "1,000 dwellings" in warning and "1,500 in 2 features" in warning


@pytest.mark.parametrize("dwellings", [(None, None), (11, 4), (11, None)])
def test_every_feature_is_a_newt_site_whatever_its_dwellings(
    dwellings: tuple[int | None, ...],
) -> None:
    found = boundary(*dwellings, names="ab")
    sites = newt_sites_from_boundary(found)
    assert [(site.number, site.id, site.name) for site in sites] == [
        (1, "id-1", "a"),
        (2, "id-2", "b"),
    ]
    assert [site.geometry for site in sites] == [feature.geometry for feature in found.features]
