"""What every assessment guards against: layers that are not pinned, geometries nobody can use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from shapely.errors import GEOSException

from worker.errors import ReferenceDataError, ReferenceDataMissing
from worker.reference.versions import ReferenceVersions

# What GEOS says then: the name of C++'s exception.
_OUT_OF_MEMORY = "bad_alloc"


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

    Sites were validated, so it is a feature of a layer that GEOS cannot work with; unless there is
    too little memory here and now, which is a MemoryError as elsewhere in Python.
    """
    try:
        yield
    except GEOSException as error:
        if _OUT_OF_MEMORY in str(error):
            raise MemoryError(str(error)) from error
        raise ReferenceDataError(
            "reference_geometry_unusable",
            "A reference layer has a geometry that cannot be measured.",
            detail=str(error),
        ) from error
