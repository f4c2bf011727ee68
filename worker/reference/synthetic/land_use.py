"""Invented coefficients of plausible size for the cells of the coefficient layer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from worker.reference.synthetic.cells import Area, Strip

COLUMNS = (
    ("crome_id", "TEXT"),
    ("land_use_cat", "TEXT"),
    ("nn_catchment", "TEXT"),
    ("subcatchment", "TEXT"),
    ("lu_curr_n_coeff", "REAL"),
    ("lu_curr_p_coeff", "REAL"),
    ("n_resi_coeff", "REAL"),
    ("p_resi_coeff", "REAL"),
)

# Class, share of the cells, kg nitrogen and kg phosphorus per hectare and year.
_CLASSES = (
    ("Cereals", 0.34, 27.0, 0.6),
    ("General arable", 0.14, 31.0, 0.8),
    ("Lowland grazing", 0.18, 13.0, 0.4),
    ("Dairy", 0.07, 38.0, 1.3),
    ("Pigs and poultry", 0.02, 41.0, 3.6),
    ("Horticulture", 0.03, 29.0, 1.0),
    ("Urban", 0.08, 14.3, 1.3),
    ("Woodland", 0.09, 3.0, 0.02),
    ("Greenspace", 0.04, 3.0, 0.2),
    ("Water", 0.01, 0.0, 0.0),
)
_NAMES = np.array([name for name, *_ in _CLASSES])
_SHARES = np.array([share for _, share, *_ in _CLASSES])
_N = np.array([nitrogen for *_, nitrogen, _ in _CLASSES])
_P = np.array([phosphorus for *_, phosphorus in _CLASSES])


class LandUse:
    """Land use and coefficients of cells.

    Each catchment has a rainfall factor and each subcatchment residential coefficients of its own.
    """

    def __init__(
        self, catchments: list[Area], subcatchments: list[Area], rng: np.random.Generator, seed: int
    ) -> None:
        self._catchments = [area.name for area in catchments]
        # The last entry is for -1, the cells in no subcatchment.
        self._subcatchments = [*(area.name for area in subcatchments), None]
        self._seed = seed
        self._factor = rng.uniform(0.85, 1.15, len(catchments))
        self._n_resi = np.round(rng.uniform(9, 15, len(self._subcatchments)), 2)
        self._p_resi = np.round(rng.uniform(0.7, 1.5, len(self._subcatchments)), 2)

    def rows(self, strip: Strip) -> Iterator[tuple[object, ...]]:
        """The values of ``COLUMNS`` for each cell of ``strip``."""
        size = len(strip.rings)
        rng = np.random.default_rng([self._seed, strip.row])
        kind = rng.choice(len(_CLASSES), size=size, p=_SHARES)
        factor = self._factor[strip.catchment] * rng.uniform(0.95, 1.05, size)
        corner = strip.rings[:, 0].astype(np.int64)
        return zip(
            (f"SYN{x:06d}{y:07d}" for x, y in corner.tolist()),
            _NAMES[kind].tolist(),
            [self._catchments[number] for number in strip.catchment.tolist()],
            [self._subcatchments[number] for number in strip.subcatchment.tolist()],
            _rounded(_N[kind] * factor, 2),
            _rounded(_P[kind] * factor, 3),
            self._n_resi[strip.subcatchment].tolist(),
            self._p_resi[strip.subcatchment].tolist(),
            strict=True,
        )


def _rounded(values: NDArray[np.float64], places: int) -> list[float]:
    rounded: list[float] = np.round(values, places).tolist()
    return rounded
