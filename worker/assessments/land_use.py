"""Rule 3 of the nutrient method: from pieces of cells to each site's areas and uplifts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from worker.assessments.cells import Pieces
from worker.assessments.nutrient_rules import (
    FloatArray,
    is_missing,
    uplift_hundredths,
    with_greenspace,
)
from worker.assessments.overlay import group_starts, sum_groups
from worker.settings import NutrientConstants


@dataclass(frozen=True, slots=True)
class LandUse:
    """Areas (ha) and uplifts (hundredths of kg/year) of the cells within a shape."""

    area_ha: float
    without_n_ha: float
    without_p_ha: float
    without_either_ha: float
    n_hundredths: int
    p_hundredths: int


def land_use(
    pieces: Pieces, shapes: int, site_area_ha: FloatArray, constants: NutrientConstants
) -> list[LandUse]:
    """What the cells say about each of ``shapes`` shapes, in their order.

    ``site_area_ha``: for each shape the rounded area of the site it is part of.
    """
    greenspace = site_area_ha[pieces.shape] >= constants.greenspace_min_area_ha
    nitrogen = with_greenspace(
        pieces.nitrogen, constants.greenspace_n_kg_ha_yr, greenspace, constants
    )
    phosphorus = with_greenspace(
        pieces.phosphorus, constants.greenspace_p_kg_ha_yr, greenspace, constants
    )
    without_n, without_p = is_missing(nitrogen), is_missing(phosphorus)
    # Pieces are sorted by shape and cell, so sums do not depend on where the cells came from.
    starts = group_starts(pieces.shape)
    found = map(
        LandUse,
        sum_groups(pieces.area_ha, starts).tolist(),
        sum_groups(pieces.area_ha * without_n, starts).tolist(),
        sum_groups(pieces.area_ha * without_p, starts).tolist(),
        sum_groups(pieces.area_ha * (without_n | without_p), starts).tolist(),
        sum_groups(uplift_hundredths(pieces.area_ha, nitrogen), starts).tolist(),
        sum_groups(uplift_hundredths(pieces.area_ha, phosphorus), starts).tolist(),
    )
    by_shape = dict(zip(pieces.shape[starts].tolist(), found, strict=True))
    return [by_shape.get(shape, _NO_CELLS) for shape in range(shapes)]


def combined(parts: Sequence[LandUse]) -> LandUse:
    """The sum of what several shapes of one site say."""
    if len(parts) == 1:
        return parts[0]
    return LandUse(
        area_ha=sum(part.area_ha for part in parts),
        without_n_ha=sum(part.without_n_ha for part in parts),
        without_p_ha=sum(part.without_p_ha for part in parts),
        without_either_ha=sum(part.without_either_ha for part in parts),
        n_hundredths=sum(part.n_hundredths for part in parts),
        p_hundredths=sum(part.p_hundredths for part in parts),
    )


_NO_CELLS = LandUse(0.0, 0.0, 0.0, 0.0, 0, 0)
