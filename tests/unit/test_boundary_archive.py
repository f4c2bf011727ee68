"""Which archives are accepted, what is taken from them, and how the rest is refused."""

from __future__ import annotations

import io
import stat
import struct
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.boundaries import Shapefile, geojson, polygon, raw_zip, square, zipped
from tests.fakes.boundary_reading import limits, read, refusal
from worker.boundary import archive
from worker.errors import BoundaryError

SITE = geojson(polygon(square()))


def entry(name: str, *, mode: int = 0, flags: int = 0, content: bytes = b"x") -> bytes:
    """A ZIP with the good boundary and one entry with this mode and these flag bits."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        opened.writestr("site.geojson", SITE)
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        opened.writestr(info, content)
        info.flag_bits |= flags
    return out.getvalue()


def test_subfolders_and_letter_case_do_not_matter() -> None:
    parts = Shapefile().parts()
    files = {f"My Site/Plan{suffix.upper()}": content for suffix, content in parts.items()}
    assert len(read(zipped({"My Site/": b""} | files)).features) == 1


def test_parts_may_differ_in_case() -> None:
    parts = Shapefile().parts()
    files = {f"{'SITE' if suffix == '.dbf' else 'Site'}{suffix}": parts[suffix] for suffix in parts}
    assert len(read(zipped(files)).features) == 1


@pytest.mark.parametrize(
    "clutter",
    [
        "__MACOSX/._site.shp",
        "__MACOSX/site/._site.geojson",
        "__MACOSX/copy.geojson",
        "._site.geojson",
        "folder/.DS_Store",
        "site.sbn",
        "site.sbx",
        "site.shp.xml",
        "site.qpj",
        "site.qix",
        "readme.txt",
    ],
)
def test_clutter_and_sidecar_files_are_ignored(clutter: str) -> None:
    files = {f"site{suffix}": content for suffix, content in Shapefile().parts().items()}
    assert len(read(zipped({clutter: b"anything"} | files)).features) == 1


def test_a_zipped_geojson_is_read() -> None:
    assert read(zipped({"site.geojson": SITE})).source_crs == "EPSG:27700"


@pytest.mark.parametrize("missing", ["shp", "shx", "dbf"])
def test_a_shapefile_without_a_part_is_incomplete(missing: str) -> None:
    error = refusal(Shapefile().zipped(**{missing: None}))
    assert error.code == "shapefile_incomplete"
    assert f".{missing}" in error.sentence


def test_parts_of_another_shapefile_do_not_count() -> None:
    parts = Shapefile().parts()
    files = {
        "site.shp": parts[".shp"],
        "site.shx": parts[".shx"],
        "other.dbf": parts[".dbf"],
    }
    assert refusal(zipped(files)).code == "shapefile_incomplete"


def test_a_shapefile_without_prj_has_no_known_crs() -> None:
    error = refusal(Shapefile(prj=None).zipped())
    assert error.code == "crs_missing"
    assert ".prj" in error.sentence


@pytest.mark.parametrize(
    "files",
    [
        {"a.geojson": SITE, "b.geojson": SITE},
        {"a.geojson": SITE, "b.shp": b""},
        {"a/site.shp": b"", "b/site.shp": b""},
    ],
)
def test_more_than_one_boundary_is_refused(files: dict[str, bytes]) -> None:
    error = refusal(zipped(files))
    assert error.code == "archive_rejected"
    assert "2 boundaries" in error.sentence


@pytest.mark.parametrize("files", [{}, {"readme.txt": b"hello"}, {"site.kml": b"<kml/>"}])
def test_an_archive_without_a_boundary_is_not_one(files: dict[str, bytes]) -> None:
    assert refusal(zipped(files)).code == "not_a_boundary_file"


@pytest.mark.parametrize(
    "name",
    [
        "../site.geojson",
        "a/../../site.geojson",
        "/etc/site.geojson",
        "C:/site.geojson",
        "c:site.geojson",
        "..\\site.geojson",
        "a\\..\\..\\site.geojson",
        "a/..\\site.geojson",
        "\\etc\\site.geojson",
        "\\\\server\\share\\site.geojson",
        "C:\\site.geojson",
        "site.geojson\x00.txt",
        "site\n.geojson",
        "",
    ],
)
def test_names_that_could_point_elsewhere_are_refused(name: str) -> None:
    assert refusal(raw_zip([(name, SITE)])).code == "archive_rejected"


def test_a_backslash_between_folders_is_read_as_some_programs_mean_it() -> None:
    parts = Shapefile(columns={"Dwellings": ("N", 5, [4])}).parts()
    files = [(f"Site\\site{suffix}", content) for suffix, content in parts.items()]
    clutter = [("Site\\", b""), ("__MACOSX\\Site\\._site.shp", b"x")]
    [only] = read(raw_zip([*clutter, *files])).features
    assert only.dwellings == 4

    [first, *others] = files
    apart = [(first[0].replace("Site", "Other"), first[1]), *others]
    assert refusal(raw_zip(apart)).code == "shapefile_incomplete"


@given(st.text(max_size=30))
def test_whatever_names_say_files_are_written_under_ours(name: str) -> None:
    content = raw_zip([(f"{name}.geojson", SITE)])
    try:
        assert len(read(content).features) == 1
    except BoundaryError as error:
        assert error.code in {"archive_rejected", "not_a_boundary_file"}


@given(
    st.lists(st.sampled_from(["a", "B", "..", ".", "", "é"]), min_size=1, max_size=5),
    st.sampled_from("/\\"),
)
def test_a_path_is_accepted_only_without_climbing_or_root(parts: list[str], between: str) -> None:
    name = between.join([*parts, "site.geojson"])
    climbs = ".." in parts or name.startswith(between)
    if climbs:
        assert refusal(raw_zip([(name, SITE)])).code == "archive_rejected"
    else:
        assert len(read(raw_zip([(name, SITE)])).features) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("site.txt", "site.txt"),
        ("site.txt", "SITE.TXT"),
        ("straße.txt", "STRASSE.txt"),
        (unicodedata.normalize("NFC", "é.txt"), unicodedata.normalize("NFD", "é.txt")),
        ("site", "site/"),
        ("site.txt", "./site.txt"),
        ("a/site.txt", "a//site.txt"),
        ("a/site.txt", "a/./site.txt"),
        ("a/site.txt", "a\\site.txt"),
        ("a\\site.txt", "A\\.\\SITE.TXT"),
        ("a\\", "a"),
    ],
)
def test_names_that_a_file_system_could_take_for_one_are_refused(first: str, second: str) -> None:
    error = refusal(raw_zip([("a.geojson", SITE), (first, b"1"), (second, b"2")]))
    assert error.code == "archive_rejected"
    assert "twice" in error.sentence


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK])
def test_links_and_devices_are_refused(kind: int) -> None:
    error = refusal(entry("link", mode=kind | 0o777, content=b"/etc/passwd"))
    assert error.code == "archive_rejected"
    assert "link" in error.sentence


def test_an_encrypted_entry_is_refused() -> None:
    error = refusal(entry("secret.txt", flags=0x1))
    assert error.code == "archive_rejected"
    assert "password" in error.sentence


def test_unusual_compression_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as opened:
        opened.writestr("site.geojson", SITE)
    assert refusal(out.getvalue()).code == "archive_rejected"


@pytest.mark.parametrize("name", ["inner.zip", "inner.7z", "sub/inner.RAR", "inner.kmz"])
def test_an_archive_in_an_archive_is_refused(name: str) -> None:
    error = refusal(zipped({"site.geojson": SITE, name: b"x"}))
    assert error.code == "archive_rejected"
    assert "another archive" in error.sentence


def test_an_archive_under_a_boundary_name_is_refused() -> None:
    error = refusal(zipped({"site.geojson": zipped({"site.geojson": SITE})}))
    assert error.code == "archive_rejected"


def test_too_many_entries_are_refused() -> None:
    files = {"site.geojson": SITE} | {f"{number}.txt": b"" for number in range(20)}
    assert len(read(zipped(files), under=limits(max_entries=21)).features) == 1
    error = refusal(zipped(files), under=limits(max_entries=20))
    assert error.code == "archive_rejected"
    assert "20 files" in error.sentence


def test_stated_expansion_is_limited() -> None:
    content = zipped({"site.geojson": SITE, "a.txt": bytes(3 * 1024 * 1024)}, deflated=False)
    error = refusal(content, under=limits(max_expanded_bytes=2 * 1024 * 1024))
    assert error.code == "archive_rejected"
    assert "2 MB" in error.sentence


def test_the_ratio_is_limited_for_all_but_small_archives() -> None:
    assert len(read(zipped({"site.geojson": SITE, "a": bytes(900_000)})).features) == 1
    error = refusal(zipped({"site.geojson": SITE, "a": bytes(4 * 1024 * 1024)}))
    assert error.code == "archive_rejected"
    assert "compressed" in error.sentence


def test_bytes_are_counted_as_they_come_out(tmp_path: Path) -> None:
    source = tmp_path / "a.zip"
    source.write_bytes(zipped({"site.geojson": bytes(200_000)}))
    with zipfile.ZipFile(source) as opened, pytest.raises(BoundaryError) as caught:
        archive._write(
            opened,
            opened.infolist()[0],
            tmp_path / "out",
            budget=100_000,
            limits=limits(),
        )
    assert caught.value.code == "archive_rejected"


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-10],
        lambda content: content.replace(b"FeatureCollection", b"FeatureCollectiom", 1),
        lambda content: b"PK\x03\x04" + bytes(100),
        lambda content: content[:-22] + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 60, 9999, 0),
    ],
    ids=[
        "half",
        "directory cut",
        "wrong checksum",
        "only a magic number",
        "forged directory",
    ],
)
def test_a_damaged_archive_is_refused(damage: object) -> None:
    assert callable(damage)
    content = damage(zipped({"site.geojson": SITE}, deflated=False))
    error = refusal(content)
    assert error.code == "archive_rejected"
    assert "damaged" in error.sentence


@pytest.mark.parametrize("offset", [-1, -1_000, 100_000])
def test_an_entry_outside_of_the_archive_is_refused(offset: int) -> None:
    content = bytearray(zipped({"site.geojson": SITE}))
    struct.pack_into("<L", content, content.rfind(b"PK\1\2") + 42, offset % 2**32)
    # Python counts from where it thinks the archive begins, which may be before the file.
    struct.pack_into("<L", content, content.rfind(b"PK\5\6") + 16, 2**32 - 1)
    assert refusal(bytes(content)).code == "archive_rejected"


@pytest.mark.parametrize("signature", [b"PK\1\2", b"PK\3\4"])
def test_a_name_that_is_not_the_utf_8_that_it_says_is_refused(signature: bytes) -> None:
    content = bytearray(zipped({"é.geojson": SITE}))
    place = content.find("é".encode(), content.find(signature))
    content[place : place + 2] = b"\xff\xff"
    assert refusal(bytes(content)).code == "archive_rejected"


def test_a_huge_prj_is_refused() -> None:
    assert refusal(Shapefile(prj="x" * 100_000).zipped()).code == "archive_rejected"
