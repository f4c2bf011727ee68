"""Features become sites: the rules of section 1 of the specification."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import shapely

from worker.boundary.model import Area, Boundary, NewtSite, Site
from worker.boundary.validate import check_shape
from worker.errors import BoundaryError


def dissolved(shapes: Sequence[Area], *, max_vertices: int) -> Area:
    """All of ``shapes`` as one area; for the child process, whose time and memory are limited.

    Raises BoundaryError ``too_many_vertices`` as ``check_crossings`` does, ``geometry_invalid``.
    """
    area = check_crossings(shapes, max_vertices=max_vertices)
    check_shape(area, "The area of all features together")
    return area


def check_crossings(shapes: Sequence[Area], *, max_vertices: int) -> Area:
    """The union of ``shapes``, if it is not much larger than they are.

    n strips across n others enclose n x n holes, so a small file can become a shape that takes
    minutes and gigabytes wherever it is united. Raises BoundaryError ``too_many_vertices`` if the
    union has more points than ``max_vertices`` and than the shapes have.
    """
    united: Area = shapely.union_all(shapes)
    most = max(max_vertices, int(shapely.get_num_coordinates(shapes).sum()))
    if shapely.get_num_coordinates(united) > most:
        raise BoundaryError(
            "too_many_vertices",
            f"The features of the file cross each other so often that together they have more than"
            f" {most:,} points. Please simplify them.",
        )
    return united


def sites_from_boundary(boundary: Boundary, *, dwellings: int | None) -> tuple[Site, ...]:
    """One site for each feature with its own number of dwellings, else one site of all features.

    ``dwellings`` is the number in the message or on the command line; the file's own numbers win.
    Raises BoundaryError: ``dwellings_missing``, ``dwellings_invalid``.
    """
    if dwellings is not None and dwellings < 1:
        raise BoundaryError(
            "dwellings_invalid", "The number of dwellings given has to be 1 or more."
        )
    if boundary.has_dwellings:
        return _site_each(boundary, dwellings)
    if dwellings is None:
        raise BoundaryError(
            "dwellings_missing",
            "The number of dwellings is missing: neither the request nor the boundary file (in an"
            " attribute Dwellings) states it.",
        )
    return (_one_site(boundary, dwellings),)


def newt_sites_from_boundary(boundary: Boundary) -> tuple[NewtSite, ...]:
    """Every feature is a site of its own in a newt assessment; dwellings do not matter to it."""
    return tuple(
        NewtSite(feature.number, feature.geometry, feature.id, feature.name)
        for feature in boundary.features
    )


def _site_each(boundary: Boundary, given: int | None) -> tuple[Site, ...]:
    without = [feature.number for feature in boundary.features if feature.dwellings is None]
    if without:
        raise BoundaryError(
            "dwellings_missing",
            f"{len(without)} of {len(boundary.features)} features have no number of dwellings"
            f" (attribute Dwellings), first feature {without[0]}. Please give it for all features"
            " or for none.",
        )
    numbers = [feature.dwellings or 0 for feature in boundary.features]
    warnings = _difference(numbers, given)
    return tuple(
        Site(
            number=feature.number,
            geometry=feature.geometry,
            dwellings=own,
            id=feature.id,
            name=feature.name,
            dwelling_category=feature.dwelling_category,
            source=feature.source,
            warnings=warnings,
        )
        for feature, own in zip(boundary.features, numbers, strict=True)
    )


def _difference(numbers: Sequence[int], given: int | None) -> tuple[str, ...]:
    """The given number speaks of the whole file, so it is compared with the whole."""
    total = sum(numbers)
    if given is None or given == total:
        return ()
    features = f" in {len(numbers):,} features" if len(numbers) > 1 else ""
    warning = (
        f"The request states {given:,} dwellings, the boundary file {total:,}{features}."
        " The numbers in the file were used."
    )
    return (warning,)


def _one_site(boundary: Boundary, dwellings: int) -> Site:
    features = boundary.features
    return Site(
        number=1,
        geometry=_whole(boundary),
        dwellings=dwellings,
        id=_shared(feature.id for feature in features),
        name=_shared(feature.name for feature in features),
        dwelling_category=_shared(feature.dwelling_category for feature in features),
        source=_shared(feature.source for feature in features),
        warnings=boundary.warnings,
    )


def _whole(boundary: Boundary) -> Area:
    if len(boundary.features) == 1:
        return boundary.features[0].geometry
    if boundary.dissolved is None:
        raise ValueError("a boundary of several features was not dissolved where it was read")
    return boundary.dissolved


def _shared(values: Iterable[str | None]) -> str | None:
    """The value that all features agree on; none of several is the name of the whole."""
    distinct = set(values)
    return distinct.pop() if len(distinct) == 1 else None
