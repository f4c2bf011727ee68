"""A data set in S3 is loaded exactly as its manifest says, or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.fakes.reference_files import (
    catchment,
    write_catchments,
    write_features,
    write_rates,
    write_works,
)
from tests.fakes.reference_manifest import put_data_set
from worker.clients.db import Connection
from worker.clients.s3 import ReferenceStore
from worker.demo.aws import AwsEmulator
from worker.errors import (
    Interrupted,
    MessageError,
    MissingInput,
    PermanentError,
    ReferenceDataError,
)
from worker.reference.inventory import history, list_versions
from worker.reference.manifest import ManifestLoad, ManifestObject, load_manifest
from worker.reference.progress import Silent
from worker.reference.switch import Cause
from worker.reference.versions import active_versions
from worker.scratch import scratch_directory
from worker.settings import AwsSettings

WORKS = ("Lark", "West", "1001", 1, 1, 1, 1)


@dataclass
class World:
    """An empty database, a bucket, and a folder to write files in."""

    connection: Connection
    aws: AwsEmulator
    bucket: str
    files: Path

    def put(self, layers: dict[str, Path], /, **changes: object) -> str:
        return put_data_set(self.aws, self.bucket, layers, **changes)  # type: ignore[arg-type]

    def load(
        self, key: str, *, bucket: str | None = None, max_bytes: int = 10**8, **options: object
    ) -> ManifestLoad:
        settings = AwsSettings(
            s3_reference_bucket=(self.bucket,), aws_endpoint_url=self.aws.endpoint_url
        )
        return load_manifest(
            self.connection,
            ReferenceStore(settings),
            ManifestObject(bucket or self.bucket, key, max_bytes),
            Cause("ann"),
            progress=Silent(),
            **options,  # type: ignore[arg-type]
        )

    def rates(self, *names: str) -> Path:
        (self.files / "lookups.sqlite").unlink(missing_ok=True)
        return write_rates(self.files, [(name, 2.4, 120) for name in names])


@pytest.fixture
def world(
    database_url: str,
    aws: AwsEmulator,
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    scratch, files = tmp_path / "scratch", tmp_path / "files"
    scratch.mkdir()
    files.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield World(connection, aws, bucket, files)
    assert list(scratch.iterdir()) == [], "nothing is left on the disk"


def test_what_the_manifest_names_is_loaded_and_active(world: World) -> None:
    catchments = write_catchments(world.files, [catchment(1, "Fen")])
    key = world.put({"rates_lookup": world.rates("Fen"), "nn_catchments": catchments})

    loaded = world.load(key)

    assert loaded.data_version == "2026-11"
    assert loaded.versions == {"rates_lookup": 1, "nn_catchments": 1}
    assert loaded.report is not None
    assert [layer.layer for layer in loaded.report.layers] == ["nn_catchments", "rates_lookup"]
    assert {entry.label for entry in history(world.connection, limit=9)} == {"2026-11"}


def test_layers_may_share_an_object_and_only_the_named_ones_are_loaded(world: World) -> None:
    lookups = world.rates("Fen")
    write_works(world.files, [WORKS])

    both = world.load(world.put({"rates_lookup": lookups, "wwtw_lookup": lookups}))
    one = world.load(world.put({"rates_lookup": lookups}, version="2026-12"))

    assert both.versions == {"rates_lookup": 1, "wwtw_lookup": 1}
    assert one.versions == {"rates_lookup": 2}
    assert active_versions(world.connection).of("wwtw_lookup") == 1


def test_a_file_with_one_table_is_the_layer_that_the_manifest_says(world: World) -> None:
    file = write_features(
        world.files / "Export (3).gpkg",
        [catchment(1, "Fen")],
        {"OID": "int", "N2K_Site_N": "str"},
        table="whatever",
    )

    assert world.load(world.put({"nn_catchments": file})).versions == {"nn_catchments": 1}


def test_what_is_active_already_is_not_loaded_again(world: World) -> None:
    key = world.put({"rates_lookup": world.rates("Fen")})
    world.load(key)

    again = world.load(key)

    assert (again.versions, again.report) == ({"rates_lookup": 1}, None)
    assert len(list_versions(world.connection)) == 1


@pytest.mark.parametrize("change", ["label", "content"])
def test_another_label_or_content_is_loaded(world: World, change: str) -> None:
    world.load(world.put({"rates_lookup": world.rates("Fen")}))
    if change == "label":
        key = world.put({"rates_lookup": world.files / "lookups.sqlite"}, version="2026-12")
    else:
        key = world.put({"rates_lookup": world.rates("Fen", "Mere")})

    assert world.load(key).versions == {"rates_lookup": 2}


def test_an_object_that_is_not_the_meant_one_is_refused(world: World) -> None:
    key = world.put({"rates_lookup": world.rates("Fen")})
    world.aws.s3.put_object(Bucket=world.bucket, Key="2026-11/lookups.sqlite", Body=b"other")

    with pytest.raises(ReferenceDataError) as raised:
        world.load(key)

    assert raised.value.code == "reference_checksum_differs"
    assert list_versions(world.connection) == []


SUM = "0" * 64


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data_version": ""}, "data_version"),
        ({"layers": {}}, "layers"),
        ({"layers": {"rivers": "a.gpkg"}, "checksums": {"a.gpkg": SUM}}, "no layers are called"),
        ({"layers": {"gcn_ponds": "a.shp"}, "checksums": {"a.shp": SUM}}, "a.shp has to end with"),
        ({"checksums": {}}, "checksums has to name exactly the keys"),
        ({"layers": {"gcn_ponds": "a.gpkg"}, "checksums": {"a.gpkg": "abc"}}, "checksums.a.gpkg"),
        ({"checksum": {}}, "checksum Extra inputs are not permitted"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_with_what_is_wrong(
    world: World, changes: dict[str, object], words: str
) -> None:
    key = world.put({"rates_lookup": world.rates("Fen")}, **changes)

    with pytest.raises(ReferenceDataError) as raised:
        world.load(key)

    assert raised.value.code == "reference_manifest_invalid"
    assert words in raised.value.sentence


def test_a_manifest_that_is_not_json_is_refused(world: World) -> None:
    world.aws.s3.put_object(Bucket=world.bucket, Key="manifest", Body=b"\xff{")

    with pytest.raises(ReferenceDataError) as raised:
        world.load("manifest")

    assert raised.value.code == "reference_manifest_invalid"


def test_an_object_without_the_layer_is_refused(world: World) -> None:
    lookups = world.rates("Fen")
    write_works(world.files, [WORKS])

    with pytest.raises(ReferenceDataError) as raised:
        world.load(world.put({"levy_rates": lookups}))

    assert raised.value.code == "reference_layer_not_in_file"
    assert "WwTw_lookup, rates_lookup" in raised.value.sentence


def test_a_missing_object_may_still_come(world: World) -> None:
    key = world.put({"rates_lookup": world.rates("Fen")})
    world.aws.s3.delete_object(Bucket=world.bucket, Key="2026-11/lookups.sqlite")

    for missing in (key, "no/manifest.json"):
        with pytest.raises(MissingInput) as raised:
            world.load(missing)
        assert raised.value.code == "reference_file_not_found"


def test_objects_have_a_limit_of_their_own(world: World) -> None:
    key = world.put({"rates_lookup": world.rates("Fen")})

    with pytest.raises(PermanentError) as raised:
        world.load(key, max_bytes=1000)

    assert raised.value.code == "too_large"


def test_other_buckets_are_not_read(world: World) -> None:
    key = world.put({"rates_lookup": world.rates("Fen")})

    with pytest.raises(MessageError) as raised:
        world.load(key, bucket="somebody-elses")

    assert raised.value.code == "bucket_not_allowed"


def test_a_load_that_has_to_stop_while_objects_come_in_leaves_nothing(world: World) -> None:
    def checkpoint() -> None:
        raise Interrupted("stop_requested", "Stop.")

    with pytest.raises(Interrupted):
        world.load(world.put({"rates_lookup": world.rates("Fen")}), checkpoint=checkpoint)

    assert list_versions(world.connection) == []


_HOLDER = """
import time
from worker.scratch import scratch_directory
with scratch_directory("reference") as directory:
    (directory / "large").write_bytes(b"x" * 1000)
    print(directory, flush=True)
    time.sleep(60)
"""


def test_files_of_a_killed_load_are_removed_by_the_next_and_those_of_a_living_one_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    holders = [
        subprocess.Popen(
            [sys.executable, "-c", _HOLDER],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        killed, living = (Path(holder.stdout.readline().strip()) for holder in holders)  # type: ignore[union-attr]
        holders[0].send_signal(signal.SIGKILL)
        holders[0].wait()

        with scratch_directory("reference"):
            assert not killed.exists()
            assert (living / "large").exists()
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()
            holder.stdout.close()  # type: ignore[union-attr]
