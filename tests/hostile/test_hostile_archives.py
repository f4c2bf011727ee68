"""Archives made to exhaust the reader or to write where it should not."""

from __future__ import annotations

import io
import struct
import time
import zipfile
import zlib
from pathlib import Path

import pytest

from tests.fakes.boundaries import Shapefile, geojson, polygon, raw_zip, square, zipped
from tests.fakes.boundary_children import wait_for, warm_child
from tests.fakes.boundary_reading import Refuse, refusal
from worker.boundary.sandbox import Sandbox

MEGABYTE = 1024 * 1024
SITE = geojson(polygon(square()))


def forged(content: bytes, stated: int, *, crc: int | None = None) -> bytes:
    """A deflated GeoJSON that says it has ``stated`` bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(content) + packer.flush()
    name = b"site.geojson"
    common = struct.pack(
        "<5H3L2H",
        20,
        0,
        8,
        0,
        0x21,
        zlib.crc32(content) if crc is None else crc,
        len(packed),
        stated,
        len(name),
        0,
    )
    local = b"PK\x03\x04" + common + name + packed
    directory = (
        b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<3H2L", 0, 0, 0, 0, 0) + name
    )
    return (
        local
        + directory
        + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), len(local), 0)
    )


@pytest.mark.parametrize(
    "content",
    [
        zipped({"site.geojson": b" " * (20 * MEGABYTE)}),
        zipped({"site.geojson": SITE, "other.txt": b" " * (20 * MEGABYTE)}),
        forged(b" " * (20 * MEGABYTE), stated=1_000),
        forged(b" " * (20 * MEGABYTE), stated=1_000, crc=zlib.crc32(b" " * 1_000)),
        forged(SITE, stated=100_000),
        forged(SITE, stated=0),
        zipped({"site.geojson": zipped({"site.geojson": zipped({"a": bytes(10 * MEGABYTE)})})}),
        zipped({"site.zip": zipped({"site.geojson": SITE})}),
        zipped({f"{number}.txt": b"" for number in range(10_000)}),
        raw_zip([("site.geojson", SITE)] * 10_000),
    ],
    ids=[
        "bomb",
        "bomb beside the boundary",
        "size forged small",
        "size and checksum forged",
        "size forged large",
        "size forged to nothing",
        "nested by name",
        "nested",
        "10k entries",
        "10k times one name",
    ],
)
def test_bombs_and_forgeries_are_refused_quickly(content: bytes) -> None:
    started = time.process_time()
    error = refusal(content)
    # A prefix of blanks is an honest file without content; all others are the archive's fault.
    assert error.code in {"archive_rejected", "not_a_boundary_file"}
    assert time.process_time() - started < 2


def test_a_directory_larger_than_it_says_is_refused() -> None:
    content = bytearray(zipped({f"{number}.txt": b"" for number in range(10_000)}))
    # Claim one entry and a small directory, the way to get past a check of the claim alone.
    end = content.rfind(b"PK\x05\x06")
    struct.pack_into("<2HL", content, end + 8, 1, 1, 60)
    assert refusal(bytes(content)).code == "archive_rejected"


def test_zip64_is_refused_before_its_directory_is_read() -> None:
    content = zipped({"site.geojson": SITE})
    end = content.rfind(b"PK\x05\x06")
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, 0, 1)
    error = refusal(content[:end] + locator + content[end:])
    assert error.code == "archive_rejected"
    assert "ZIP64" in error.sentence


def test_a_large_directory_of_few_entries_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("site.geojson", SITE)
        for number in range(20):
            info = zipfile.ZipInfo(f"{number}.txt")
            info.comment = bytes(60_000)
            archive.writestr(info, b"")
    assert refusal(out.getvalue()).code == "archive_rejected"


def test_an_archive_with_a_password_is_refused() -> None:
    content = bytearray(zipped({"site.geojson": SITE}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(signature) + offset] |= 1
    error = refusal(bytes(content))
    assert error.code == "archive_rejected"
    assert "password" in error.sentence


def test_a_link_to_a_file_of_ours_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for suffix, content in Shapefile().parts().items():
            info = zipfile.ZipInfo(f"site{suffix}")
            is_link = suffix == ".dbf"
            info.external_attr = (0o120777 if is_link else 0o100644) << 16
            archive.writestr(info, b"/etc/passwd" if is_link else content)
    assert refusal(out.getvalue()).code == "archive_rejected"


def test_nothing_is_written_outside_the_childs_own_directory(
    sandbox: Sandbox, refuse: Refuse, tmp_path: Path
) -> None:
    before = sorted(path.name for path in tmp_path.parent.iterdir())
    for name in ("../escaped.geojson", f"{tmp_path}/escaped.geojson", "..\\escaped.geojson"):
        assert refuse(raw_zip([(name, SITE)]), "site.zip").code == "archive_rejected"
    assert [path.name for path in tmp_path.iterdir()] == ["upload"]
    assert sorted(path.name for path in tmp_path.parent.iterdir()) == before


def test_what_was_unpacked_is_gone_after_the_read(sandbox: Sandbox, tmp_path: Path) -> None:
    directory = Path(warm_child(sandbox).cwd())
    assert directory.is_dir()
    path = tmp_path / "upload"
    path.write_bytes(Shapefile().zipped())
    sandbox.read_boundary(path)
    wait_for(lambda: not directory.parent.exists())
