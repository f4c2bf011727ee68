"""What every assessment guards against: layers that are not pinned, geometries nobody can use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from shapely.errors import GEOSException

from worker.errors import ReferenceDataError, ReferenceDataMissing
from worker.reference.versions import ReferenceVersions


def no_checkpoint() -> None:
    """The checkpoint of an assessment that nothing interrupts."""


def require_pinned(versions: ReferenceVersions, layers: Iterable[str]) -> None:
    """Raise ReferenceDataMissing ``reference_data_missing`` naming the layers not pinned."""
    missing = [layer for layer in layers if layer not in versions.layers]
    if missing:
        raise ReferenceDataMissing(
            "reference_data_missing",
            f"No version of these reference layers is active: {', '.join(missing)}.",
        )


@contextmanager
def usable_geometries() -> Iterator[None]:
    """Raise ReferenceDataError ``reference_geometry_unusable`` for what GEOS refuses.

    Sites were validated, so it is a feature of a layer that GEOS cannot work with.
    """
    try:
        yield
    except GEOSException as error:
        raise ReferenceDataError(
            "reference_geometry_unusable",
            "A reference layer has a geometry that cannot be measured.",
            detail=str(error),
        ) from error
