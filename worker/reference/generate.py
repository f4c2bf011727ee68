"""Writes a synthetic data set that the loader reads: every layer, or what a real one lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely

from worker.errors import ReferenceDataError
from worker.reference.geopackage_writer import create
from worker.reference.layers import GRID_EXTENT
from worker.reference.progress import Progress, Silent
from worker.reference.readers import open_source
from worker.reference.sources import Source, find_sources
from worker.reference.synthetic import land_use
from worker.reference.synthetic.cells import Area, Lattice
from worker.reference.synthetic.lookups import write_lookups
from worker.reference.synthetic.mosaic import Extent
from worker.reference.synthetic.places import Feature, region
from worker.reference.synthetic.ponds import pond_count, ponds

DEFAULT_EXTENT: Extent = (440_000.0, 240_000.0, 480_000.0, 280_000.0)
DEFAULT_CELLS = 100_000
MIN_SIDE_M = 5_000.0

# Names of columns as the published layers spell them.
_COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    "nn_catchments": (("OID", "INTEGER"), ("N2K_Site_N", "TEXT")),
    "subcatchments": (("OPCAT_NAME", "TEXT"),),
    "wwtw_catchments": (("WwTw_ID", "INTEGER"), ("WwTW", "TEXT")),
    "lpa_boundaries": (("NAME", "TEXT"),),
    "gcn_risk_zones": (("RZ", "TEXT"),),
    "edp_edges": (("EDPName", "TEXT"),),
    "edp_boundaries": (("EDP_Name", "TEXT"),),
    "edp_excluded_areas": (
        ("site_name", "TEXT"),
        ("designation_type", "TEXT"),
        ("buff_dist_m", "INTEGER"),
    ),
}
_CELLS = "coefficient_layer"
_PONDS = "gcn_ponds"
_LOOKUPS = "lookups.sqlite"


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """A file that was written, and how many features or rows it has."""

    path: Path
    row_count: int


def generate(
    directory: Path,
    *,
    seed: int,
    cells: int = DEFAULT_CELLS,
    extent: Extent | None = None,
    from_dir: Path | None = None,
    progress: Progress | None = None,
) -> tuple[GeneratedFile, ...]:
    """Write synthetic layers into ``directory``; the same arguments give the same bytes.

    ``cells``: about how many coefficient cells; those on the outer edge come on top. ``extent``:
    west, south, east, north in metres (EPSG:27700). ``from_dir``: take the catchments and
    subcatchments of that data set and write only the coefficient layer and the ponds, unless it
    has them. Raises ReferenceDataError if a file is there already or an argument can't be used.
    """
    progress = progress or Silent()
    if cells < 1:
        raise _refused("The number of cells must be at least 1.")
    if from_dir is None:
        return _generate_all(directory, seed, cells, _checked(extent), progress)
    if extent is not None:
        raise _refused("An extent can't be combined with the catchments of a data set.")
    return _generate_missing(directory, seed, cells, from_dir, progress)


def _generate_all(
    directory: Path, seed: int, cells: int, extent: Extent, progress: Progress
) -> tuple[GeneratedFile, ...]:
    rng = np.random.default_rng(seed)
    invented = region(extent, rng)
    _prepare(directory, [*(f"{name}.gpkg" for name in (*_COLUMNS, _CELLS, _PONDS)), _LOOKUPS])
    written = [
        _write_features(directory, name, features, extent, seed)
        for name, features in invented.layers.items()
    ]
    lookups = directory / _LOOKUPS
    written.append(GeneratedFile(lookups, write_lookups(lookups, invented.works, rng)))
    catchments = [
        Area(str(feature.values[1]), feature.polygon)
        for feature in invented.layers["nn_catchments"]
    ]
    subcatchments = [
        Area(str(feature.values[0]), feature.polygon)
        for feature in invented.layers["subcatchments"]
    ]
    written.append(_write_ponds(directory, extent, seed, progress))
    written.append(_write_cells(directory, catchments, subcatchments, cells, seed, progress))
    return tuple(written)


def _generate_missing(
    directory: Path, seed: int, cells: int, from_dir: Path, progress: Progress
) -> tuple[GeneratedFile, ...]:
    sources = {source.layer.name: source for source in find_sources(from_dir)}
    absent = [name for name in ("nn_catchments", "subcatchments") if name not in sources]
    if absent:
        raise _refused(f"{from_dir} has no {' and no '.join(absent)}.")
    wanted = [name for name in (_PONDS, _CELLS) if name not in sources]
    _prepare(directory, [f"{name}.gpkg" for name in wanted])
    catchments = _areas(sources["nn_catchments"], "n2k_site_name")
    subcatchments = _areas(sources["subcatchments"], "opcat_name")
    written = []
    if _PONDS in wanted:
        extent = _bounds(catchments)
        written.append(_write_ponds(directory, extent, seed, progress))
    if _CELLS in wanted:
        written.append(_write_cells(directory, catchments, subcatchments, cells, seed, progress))
    return tuple(written)


def _write_features(
    directory: Path, layer: str, features: Sequence[Feature], extent: Extent, seed: int
) -> GeneratedFile:
    path = directory / f"{layer}.gpkg"
    with create(
        path, layer, _COLUMNS[layer], extent=extent, description=_description(seed)
    ) as writer:
        writer.write(
            [shapely.to_wkb(feature.polygon, byte_order=1) for feature in features],
            [feature.values for feature in features],
        )
    return GeneratedFile(path, len(features))


def _write_cells(
    directory: Path,
    catchments: list[Area],
    subcatchments: list[Area],
    cells: int,
    seed: int,
    progress: Progress,
) -> GeneratedFile:
    path = directory / f"{_CELLS}.gpkg"
    bounds = _bounds(catchments)
    total_m2 = shapely.area(shapely.union_all([area.polygon for area in catchments]))
    lattice = Lattice(bounds, float(total_m2) / cells, seed)
    uses = land_use.LandUse(catchments, subcatchments, np.random.default_rng([seed, 1]), seed)
    progress.started(_CELLS, cells)
    count = 0
    with create(
        path, _CELLS, land_use.COLUMNS, extent=bounds, description=_description(seed)
    ) as writer:
        for strip in lattice.strips(catchments, subcatchments):
            writer.write(strip.wkb(), uses.rows(strip))
            count += len(strip.rings)
            progress.advanced(_CELLS, len(strip.rings))
    progress.finished(_CELLS)
    return GeneratedFile(path, count)


def _write_ponds(directory: Path, extent: Extent, seed: int, progress: Progress) -> GeneratedFile:
    path = directory / f"{_PONDS}.gpkg"
    count = pond_count(extent)
    progress.started(_PONDS, count)
    number = 0
    with create(
        path, _PONDS, [("pond_id", "TEXT")], extent=extent, description=_description(seed)
    ) as writer:
        for batch in ponds(extent, count, np.random.default_rng([seed, 2])):
            names = [(f"SYN-POND-{number + place:07d}",) for place in range(1, len(batch) + 1)]
            writer.write(batch, names)
            number += len(batch)
            progress.advanced(_PONDS, len(batch))
    progress.finished(_PONDS)
    return GeneratedFile(path, count)


def _areas(source: Source, name_column: str) -> list[Area]:
    """The polygons of a real layer under their names."""
    (column,) = (column for column in source.layer.columns if column.name == name_column)
    with open_source(source) as table:
        name = column.found_in(table.columns)
        return [
            Area(str(label).strip(), shapely.force_2d(shapely.from_wkb(wkb)))
            for wkb, label in table.rows([name])
        ]


def _bounds(areas: Sequence[Area]) -> Extent:
    west, south, east, north = shapely.total_bounds([area.polygon for area in areas]).tolist()
    return (west, south, east, north)


def _checked(extent: Extent | None) -> Extent:
    west, south, east, north = extent or DEFAULT_EXTENT
    if east - west < MIN_SIDE_M or north - south < MIN_SIDE_M:
        raise _refused(f"Each side of the extent must be at least {MIN_SIDE_M:.0f} m long.")
    low_x, low_y, high_x, high_y = GRID_EXTENT
    if west < low_x or south < low_y or east > high_x or north > high_y:
        raise _refused("The extent must lie within the British National Grid.")
    return (west, south, east, north)


def _prepare(directory: Path, names: Sequence[str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    present = [name for name in names if (directory / name).exists()]
    if present:
        raise _refused(f"{directory} already has {', '.join(present)}; choose another directory.")


def _description(seed: int) -> str:
    return f"Synthetic data for development and tests, seed {seed}"


def _refused(sentence: str) -> ReferenceDataError:
    return ReferenceDataError("reference_generate_refused", sentence)
