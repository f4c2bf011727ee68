"""Generated layers fit together, are the same for a seed, and never replace a file."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import fiona
import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from shapely.geometry import shape

from tests.fakes.reference_files import catchment, write_catchments
from worker.errors import ReferenceDataError
from worker.reference.generate import DEFAULT_EXTENT, generate
from worker.reference.progress import Silent
from worker.reference.synthetic.cells import Area, Lattice

CELLS = 2000


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("generated")
    generate(directory, seed=1, cells=CELLS)
    return directory


def polygons(data: Path, layer: str) -> NDArray[np.object_]:
    with fiona.open(data / f"{layer}.gpkg") as collection:
        assert collection.crs.to_epsg() == 27700
        return np.array([shape(feature.geometry) for feature in collection])


def values(data: Path, layer: str, column: str) -> list[object]:
    with fiona.open(data / f"{layer}.gpkg") as collection:
        return [feature.properties[column] for feature in collection]


def test_every_layer_opens_with_gdal_and_is_valid(data: Path) -> None:
    layers = sorted(path.stem for path in data.glob("*.gpkg"))

    assert len(layers) == 10
    for layer in layers:
        found = polygons(data, layer)
        assert len(found) > 0
        assert shapely.is_valid(found).all(), layer


def test_cells_tile_the_catchments_without_gap_or_overlap(data: Path) -> None:
    cells = polygons(data, "coefficient_layer")
    assert len(cells) == pytest.approx(CELLS, rel=0.2)
    assert shapely.area(cells).sum() == pytest.approx(shapely.union_all(cells).area, abs=0.01)
    for one in polygons(data, "nn_catchments"):
        shapely.prepare(one)
        shared = shapely.area(shapely.intersection(one, cells)).sum()
        assert shared == pytest.approx(one.area, abs=0.01)


def test_small_cells_are_valid_and_meet_without_gaps() -> None:
    area = Area("a", shapely.Point(450_000, 250_000).buffer(400))
    strips = list(Lattice(area.polygon.bounds, 40, seed=5).strips([area], []))
    cells = shapely.polygons(np.concatenate([strip.rings for strip in strips]))

    assert len(cells) > 12_000
    assert shapely.is_valid(cells).all()
    assert shapely.coverage_is_valid(cells)
    assert shapely.union_all(cells).covers(area.polygon)


def test_cells_carry_the_names_of_the_areas_they_lie_in(data: Path) -> None:
    cells = polygons(data, "coefficient_layer")
    middles = shapely.point_on_surface(cells)
    for layer, column, attribute in (
        ("nn_catchments", "N2K_Site_N", "nn_catchment"),
        ("subcatchments", "OPCAT_NAME", "subcatchment"),
    ):
        carried = np.array(values(data, "coefficient_layer", attribute))
        checked = 0
        for polygon, name in zip(polygons(data, layer), values(data, layer, column), strict=True):
            well_inside = shapely.contains(polygon.buffer(-800), middles)
            assert set(carried[well_inside]) <= {name}
            checked += int(well_inside.sum())
        assert checked > CELLS / 4


def test_coefficients_are_plausible_and_never_missing(data: Path) -> None:
    for column, highest in (
        ("lu_curr_n_coeff", 50),
        ("lu_curr_p_coeff", 5),
        ("n_resi_coeff", 50),
        ("p_resi_coeff", 5),
    ):
        numbers = np.array(values(data, "coefficient_layer", column), dtype=float)
        assert ((numbers >= 0) & (numbers <= highest)).all()
        assert len(np.unique(numbers)) > 3


def test_works_lie_in_one_subcatchment_and_that_in_one_catchment(data: Path) -> None:
    subcatchments = polygons(data, "subcatchments")
    catchments = polygons(data, "nn_catchments")
    for works in polygons(data, "wwtw_catchments"):
        shared = shapely.area(shapely.intersection(subcatchments, works))
        assert shared.max() == pytest.approx(works.area)
    for subcatchment in subcatchments:
        shared = shapely.area(shapely.intersection(catchments, subcatchment))
        assert shared.max() == pytest.approx(subcatchment.area) or shared.max() < 10


@pytest.mark.parametrize("layer", ["lpa_boundaries", "gcn_risk_zones", "subcatchments"])
def test_layer_covers_the_whole_extent_once(data: Path, layer: str) -> None:
    found = polygons(data, layer)

    extent = shapely.box(*DEFAULT_EXTENT)
    assert shapely.area(found).sum() == pytest.approx(extent.area)
    assert shapely.union_all(found).equals(extent)


def test_catchments_have_the_oddities_of_real_ones(data: Path) -> None:
    names = values(data, "nn_catchments", "N2K_Site_N")
    found = polygons(data, "nn_catchments")

    assert len(set(names)) == len(names) - 1
    overlaps = [
        one.intersection(other).area
        for place, one in enumerate(found)
        for other in found[place + 1 :]
    ]
    assert sum(1 <= overlap <= 10 for overlap in overlaps) == 1
    assert sum(overlap > 0 for overlap in overlaps) == 1


def test_every_site_name_has_rates_and_levy_rates_are_marked_as_samples(data: Path) -> None:
    names = set(values(data, "nn_catchments", "N2K_Site_N"))
    with sqlite3.connect(data / "lookups.sqlite") as lookups:
        rates = lookups.execute("SELECT * FROM rates_lookup").fetchall()
        levies = lookups.execute("SELECT nn_catchment, is_sample FROM levy_rates").fetchall()

    assert names <= {name for name, *_ in rates}
    assert {tuple(rest) for name, *rest in rates if name in names} > {(2.4, 120)}
    assert {name for name, _ in levies} == names
    assert {is_sample for _, is_sample in levies} == {1}


def test_a_seed_gives_the_same_bytes_and_another_one_others(tmp_path: Path, data: Path) -> None:
    generate(tmp_path / "again", seed=1, cells=CELLS)
    generate(tmp_path / "other", seed=2, cells=CELLS)

    assert _hashes(tmp_path / "again") == _hashes(data)
    other = _hashes(tmp_path / "other")
    assert all(other[name] != digest for name, digest in _hashes(data).items())


def test_extent_and_number_of_cells_are_kept_to(tmp_path: Path) -> None:
    extent = (300_000.0, 100_000.0, 306_000.0, 110_000.0)

    generate(tmp_path, seed=1, cells=500, extent=extent)

    assert shapely.total_bounds(polygons(tmp_path, "lpa_boundaries")).tolist() == list(extent)
    assert 500 <= len(polygons(tmp_path, "coefficient_layer")) <= 750


def test_existing_file_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "nn_catchments.gpkg").write_text("mine", encoding="utf-8")

    with pytest.raises(ReferenceDataError) as raised:
        generate(tmp_path, seed=1, cells=100)

    assert raised.value.code == "reference_generate_refused"
    assert [path.name for path in tmp_path.iterdir()] == ["nn_catchments.gpkg"]
    assert (tmp_path / "nn_catchments.gpkg").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    "extent",
    [(0.0, 0.0, 100.0, 9000.0), (690_000.0, 0.0, 720_000.0, 9000.0), (9000.0, 0.0, 0.0, 9000.0)],
)
def test_unusable_extent_is_refused(
    tmp_path: Path, extent: tuple[float, float, float, float]
) -> None:
    with pytest.raises(ReferenceDataError):
        generate(tmp_path, seed=1, cells=100, extent=extent)


def test_no_cells_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReferenceDataError):
        generate(tmp_path, seed=1, cells=0)


def test_data_set_without_subcatchments_is_refused(tmp_path: Path) -> None:
    write_catchments(tmp_path, [catchment(1)])

    with pytest.raises(ReferenceDataError) as raised:
        generate(tmp_path / "out", seed=1, from_dir=tmp_path)

    assert "no subcatchments" in raised.value.sentence


def test_interrupted_generation_leaves_no_half_written_layer(tmp_path: Path) -> None:
    class Interrupts(Silent):
        def advanced(self, subject: str, rows: int) -> None:
            if subject == "coefficient_layer":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path, seed=1, cells=1000, progress=Interrupts())

    assert not list(tmp_path.glob("*coefficient*"))


def _hashes(directory: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()
    }
