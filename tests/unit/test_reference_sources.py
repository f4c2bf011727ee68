"""Sources of layers are recognised by name, wherever the name stands."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import shapely

from tests.fakes.reference_files import (
    Feature,
    catchment,
    square,
    write_catchments,
    write_features,
    write_rates,
    write_table,
)
from worker.errors import ReferenceDataError
from worker.reference.geopackage import Malformed, wkb_of
from worker.reference.layers import BY_NAME, Column
from worker.reference.sources import find_sources

_SCHEMA = {"OID": "int", "N2K_Site_N": "str"}


def test_layer_may_be_named_by_its_file_or_by_its_table(tmp_path: Path) -> None:
    write_features(tmp_path / "NN_Catchments.gpkg", [catchment(1)], _SCHEMA, table="export 2025")
    write_features(
        tmp_path / "everything.gpkg",
        [Feature(square(), {"OPCAT_NAME": "Lark"})],
        {"OPCAT_NAME": "str"},
        table="main.SubCatchments",
    )
    write_rates(tmp_path, [("Testmere", 2.4, 120)])
    (tmp_path / "readme.txt").write_text("not a source", encoding="utf-8")

    found = [(source.layer.name, source.name) for source in find_sources(tmp_path)]

    assert found == [
        ("nn_catchments", "NN_Catchments.gpkg:export 2025"),
        ("subcatchments", "everything.gpkg:main.SubCatchments"),
        ("rates_lookup", "lookups.sqlite:rates_lookup"),
    ]


def test_layer_that_is_there_twice_is_refused_with_both_names(tmp_path: Path) -> None:
    write_catchments(tmp_path, [catchment(1)])
    write_catchments(tmp_path, [catchment(1)], suffix=".shp")

    with pytest.raises(ReferenceDataError) as raised:
        find_sources(tmp_path)

    assert raised.value.code == "reference_source_ambiguous"
    assert "nn_catchments.gpkg" in raised.value.sentence
    assert "nn_catchments.shp" in raised.value.sentence


def test_directory_without_layers_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "other.sqlite", "people", ["name"], [("x",)])

    with pytest.raises(ReferenceDataError) as raised:
        find_sources(tmp_path)

    assert raised.value.code == "reference_directory_empty"


def test_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReferenceDataError) as raised:
        find_sources(tmp_path / "nowhere")

    assert raised.value.code == "reference_directory_missing"


@pytest.mark.parametrize("sidecar", [".shp", ".dbf", ".prj"])
def test_hash_of_a_shapefile_covers_all_its_files(tmp_path: Path, sidecar: str) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for directory in (first, second):
        directory.mkdir()
        write_catchments(directory, [catchment(1)], suffix=".shp")
    changed = second / f"nn_catchments{sidecar}"
    changed.write_bytes(changed.read_bytes() + b" ")

    (one,), (other,) = find_sources(first), find_sources(second)

    assert one.sha256() != other.sha256()


@pytest.mark.parametrize(
    ("layer", "column", "names", "found"),
    [
        ("nn_catchments", "n2k_site_name", ("fid", "N2K_Site_N"), "N2K_Site_N"),
        ("nn_catchments", "oid", ("OBJECTID", "OID"), "OID"),
        ("wwtw_catchments", "wwtw_id", ("Id", "WwTw_ID"), "WwTw_ID"),
        ("edp_edges", "edp_name", ("EDPName",), "EDPName"),
        ("edp_boundaries", "name", ("EDP_Area", "EDP_Name"), "EDP_Name"),
        ("edp_excluded_areas", "buffer_m", ("buff_dist_m",), "buff_dist_m"),
        ("coefficient_layer", "lu_curr_n_coeff", ("LU_CurrNcoeff",), "LU_CurrNcoeff"),
        ("coefficient_layer", "lu_curr_p_coeff", ("lu_curr_n_", "lu_curr_p_"), "lu_curr_p_"),
        ("subcatchments", "opcat_name", ("OPCAT_ID", "name"), None),
    ],
)
def test_column_is_found_under_its_published_names(
    layer: str, column: str, names: tuple[str, ...], found: str | None
) -> None:
    assert _column(layer, column).found_in(names) == found


@pytest.mark.parametrize(("envelope", "doubles"), [(0, 0), (1, 4), (2, 6), (3, 6), (4, 8)])
def test_wkb_is_found_behind_every_envelope(envelope: int, doubles: int) -> None:
    wkb = shapely.to_wkb(square())
    header = struct.pack("<2sBBi", b"GP", 0, 1 | envelope << 1, 27700) + bytes(8 * doubles)

    assert wkb_of(header + wkb) == wkb


@pytest.mark.parametrize("blob", [b"", b"SP\x00\x01\x00\x00\x00\x00", b"GP\x00\x0b" + bytes(80)])
def test_blob_without_a_geopackage_header_is_malformed(blob: bytes) -> None:
    with pytest.raises(Malformed):
        wkb_of(blob)


def _column(layer: str, name: str) -> Column:
    (column,) = (column for column in BY_NAME[layer].columns if column.name == name)
    return column
