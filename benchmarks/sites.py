"""Made-up development sites: irregular outlines of given areas, the same for the same seed."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from shapely import Polygon

from worker.boundary.model import Site

HECTARE_M2 = 10_000.0
# Close to the regulator's sample: a quarter of the sites have less than 0.6 times the median area,
# a quarter more than 3.3 times and a tenth more than 14 times as much; outlines have 50 vertices
# on average and, against a circle, length squared / (4 pi area) of 1.6 in the median.
_MEDIAN_HA = 1.5
_SPREAD_BELOW, _SPREAD_ABOVE = 0.8, 2.0
_MIN_HA, _MAX_HA = 0.05, 100.0
_VERTICES = 50
_STRETCH = 1.6

Window = tuple[float, float, float, float]


def sites(count: int, window: Window, seed: int) -> list[Site]:
    """``count`` sites with centres in ``window`` (west, south, east, north in metres)."""
    random = np.random.default_rng(seed)
    west, south, east, north = window
    # Quantiles in random order instead of draws, so that the median is what it is said to be.
    normal = NormalDist()
    deviations = random.permutation([normal.inv_cdf((i + 0.5) / count) for i in range(count)])
    spread = np.where(deviations < 0, _SPREAD_BELOW, _SPREAD_ABOVE)
    areas_ha = np.clip(_MEDIAN_HA * np.exp(spread * deviations), _MIN_HA, _MAX_HA)
    centres = random.uniform((west, south), (east, north), (count, 2))
    dwellings = np.maximum(1, np.round(areas_ha * random.uniform(10, 35, count))).astype(int)
    return [
        Site(number, outline(x, y, area_ha, random), dwellings=houses)
        for number, (area_ha, (x, y), houses) in enumerate(
            zip(areas_ha.tolist(), centres.tolist(), dwellings.tolist(), strict=True), start=1
        )
    ]


def site_of(area_ha: float, window: Window, seed: int) -> Site:
    """One site of ``area_ha`` in the middle of ``window``."""
    west, south, east, north = window
    random = np.random.default_rng(seed)
    shape = outline((west + east) / 2, (south + north) / 2, area_ha, random)
    return Site(1, shape, dwellings=max(1, round(20 * area_ha)))


def outline(x: float, y: float, area_ha: float, random: np.random.Generator) -> Polygon:
    """An outline of exactly ``area_ha`` around a point: a stretched circle with bays."""
    turns = np.linspace(0, 2 * math.pi, _VERTICES, endpoint=False)
    waves = sum(
        random.uniform(0, 0.95 / wave) * np.sin(wave * turns + random.uniform(0, 2 * math.pi))
        for wave in (2, 3, 5, 8)
    )
    radii = 1 + waves
    stretch = random.uniform(1, _STRETCH)
    across, up = stretch * radii * np.cos(turns), radii * np.sin(turns) / stretch
    turned = random.uniform(0, math.pi)
    east = across * math.cos(turned) - up * math.sin(turned)
    north = across * math.sin(turned) + up * math.cos(turned)
    scale = math.sqrt(area_ha * HECTARE_M2 / Polygon(np.column_stack([east, north])).area)
    return Polygon(np.column_stack([x + scale * east, y + scale * north]))
