"""Which layers a job pins, and when there are enough to run any job at all."""

from __future__ import annotations

import pytest

from worker.errors import ReferenceDataMissing
from worker.reference.versions import LayerVersion, ReferenceVersions

ACTIVE = ReferenceVersions(
    {name: LayerVersion(name, 1, "test", "0" * 64) for name in ("cells", "works", "zones")}
)


def test_a_job_pins_what_it_requires_and_what_there_is_of_the_rest() -> None:
    pinned = ACTIVE.pinned(("cells",), ("zones", "rates"))

    assert list(pinned.layers) == ["cells", "zones"]
    assert list(ACTIVE.pinned(()).layers) == []


def test_absent_layers_are_named() -> None:
    with pytest.raises(ReferenceDataMissing, match="rates, ponds"):
        ACTIVE.pinned(("cells", "rates", "ponds"))


@pytest.mark.parametrize("sets", [(), ((),), (("rates",), ("cells", "works"))])
def test_one_whole_set_is_enough(sets: tuple[tuple[str, ...], ...]) -> None:
    ACTIVE.require_one_of(sets)


def test_without_a_whole_set_the_first_is_named() -> None:
    with pytest.raises(ReferenceDataMissing, match="rates"):
        ACTIVE.require_one_of((("cells", "rates"), ("zones", "ponds")))
