"""The archive of an export is what tar and gzip readers expect, however its parts fall."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.water.export_archive import Archive

TAKEN_AT = datetime(2026, 6, 15, 2, 0, 4, 18_000, tzinfo=UTC)
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)


def archived(members: list[tuple[str, list[bytes]]], directory: Path) -> bytes:
    written: list[bytes] = []
    archive = Archive(written.append, directory, modified=TAKEN_AT)
    for name, pieces in members:
        assert archive.add(name, pieces) == sum(len(piece) for piece in pieces)
        assert list(directory.iterdir()) == []
    archive.close()
    return b"".join(written)


def read(content: bytes) -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r|gz") as archive:
        return [
            (member.name, file.read())
            for member in archive
            if (file := archive.extractfile(member)) is not None
        ]


@settings(max_examples=60)
@given(st.lists(st.tuples(NAMES, st.lists(st.binary(max_size=1500), max_size=3)), max_size=4))
def test_what_goes_in_comes_out(members: list[tuple[str, list[bytes]]]) -> None:
    named = [(f"water/{name}.csv", pieces) for name, pieces in members]
    with tempfile.TemporaryDirectory() as directory:
        content = archived(named, Path(directory))
    assert read(content) == [(name, b"".join(pieces)) for name, pieces in named]


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 3_000_000])
def test_members_end_on_blocks(size: int, tmp_path: Path) -> None:
    content = archived([("a.csv", [bytes(size)]), ("b.csv", [b"x"])], tmp_path)
    assert len(gzip.decompress(content)) % 512 == 0
    assert read(content) == [("a.csv", bytes(size)), ("b.csv", b"x")]


def test_names_longer_than_a_tar_header_has_room_for(tmp_path: Path) -> None:
    name = f"{'s' * 63}/{'t' * 63}.csv"
    assert read(archived([(name, [b"x"])], tmp_path)) == [(name, b"x")]


def test_the_same_contents_make_the_same_bytes(tmp_path: Path) -> None:
    members = [("a.csv", [b"one", b"two"]), ("b.csv", [b""])]
    first = archived(members, tmp_path)
    assert archived(members, tmp_path) == first


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    def pieces() -> list[bytes]:
        raise OSError("disk")

    archive = Archive(lambda _: None, tmp_path, modified=TAKEN_AT)
    with pytest.raises(OSError, match="disk"):
        archive.add("a.csv", (piece for _ in range(1) for piece in pieces()))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_already_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "table.csv.deflate").write_bytes(b"somebody else's")
    archive = Archive(lambda _: None, tmp_path, modified=TAKEN_AT)
    with pytest.raises(FileExistsError):
        archive.add("a.csv", [b"x"])
    assert (tmp_path / "table.csv.deflate").read_bytes() == b"somebody else's"
