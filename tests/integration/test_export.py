"""An export is one moment of all schemas, and its manifest says what of it is in the bucket.

X1 to X18, here and in the other tests of the export, are the cases that it was specified by. X10,
memory while millions of rows are read, is measured by ``benchmarks/export.py``.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import resource
import tarfile
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.fakes.aws_proxy import AwsProxy, Call, Fault, Refusal
from tests.fakes.exports import ALL_SCHEMAS, MANIFEST_KEY, SCHEMAS, ExportWorld, wait_until
from worker.clients.db import Connection
from worker.demo.aws import AwsEmulator
from worker.errors import ConfigurationFault, Interrupted, TransientError
from worker.water.export_manifest import ExportManifest
from worker.water.export_run import ExportIncomplete

# JSON that the server stores but cannot read: its own numbers are not as large.
UNREADABLE = "'1e200000'::json"


@pytest.fixture
def world(empty_database_url: str, aws: AwsEmulator, bucket: str) -> ExportWorld:
    return ExportWorld(empty_database_url, aws, bucket)


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the files of an export go; nothing may be left there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def incomplete(
    world: ExportWorld, *schemas: str, role: str = "none", endpoint_url: str | None = None
) -> ExportManifest:
    """Export schemas, which fails; returns the manifest that is in the bucket then."""
    with pytest.raises(ExportIncomplete) as raised:
        world.export(*schemas, role=role, endpoint_url=endpoint_url)
    manifest = world.manifest()
    assert manifest.status == "partial"
    assert raised.value.failed == manifest.failed
    return manifest


def only_returns_failed(world: ExportWorld, manifest: ExportManifest) -> str:
    """Its error; the other archives are there, and nothing of this one."""
    others = {entry.key for entry in manifest.schemas if entry.schema_name != "returns"}
    assert manifest.failed == ("returns",)
    assert set(world.keys()) == others | {MANIFEST_KEY}
    assert world.unfinished_uploads() == []
    (entry,) = (entry for entry in manifest.schemas if entry.error is not None)
    assert (entry.bytes, entry.sha256, entry.tables) == (None, None, ())
    assert entry.error is not None
    return entry.error


def test_tables_come_by_name_and_views_are_left_out(world: ExportWorld) -> None:
    """X1."""
    world.execute(
        "CREATE SCHEMA water",
        "CREATE TABLE water.b AS SELECT 2 AS id",
        "CREATE TABLE water.a AS SELECT 1 AS id",
        'CREATE TABLE water."Z" AS SELECT 3 AS id',
        "CREATE VIEW water.v AS SELECT * FROM water.a",
        "CREATE MATERIALIZED VIEW water.m AS SELECT * FROM water.a",
    )
    world.export("water")
    assert world.members("water") == {
        "water/Z.csv": b'"id"\n3\n',
        "water/a.csv": b'"id"\n1\n',
        "water/b.csv": b'"id"\n2\n',
    }


def test_the_manifest_proves_what_is_in_the_archives(world: ExportWorld) -> None:
    world.one_table_each(ALL_SCHEMAS)
    world.execute("INSERT INTO crm.things SELECT generate_series(2, 100)")

    returned = world.export(*ALL_SCHEMAS)

    manifest = world.manifest()
    assert manifest == returned
    assert (manifest.status, manifest.failed) == ("complete", ())
    assert manifest.started_at <= manifest.snapshot_at <= manifest.finished_at
    assert [entry.schema_name for entry in manifest.schemas] == list(ALL_SCHEMAS)
    for entry in manifest.schemas:
        archive = world.read(entry.key)
        assert (entry.bytes, entry.sha256) == (len(archive), hashlib.sha256(archive).hexdigest())
        (table,) = entry.tables
        content = world.members(entry.schema_name)[f"{entry.schema_name}/things.csv"]
        assert table.csv_bytes == len(content)
        assert table.rows == len(content.splitlines()) - 1
        assert table.rows == (100 if entry.schema_name == "crm" else 1)
        assert entry.snapshot_at == manifest.snapshot_at


def test_a_version_is_named_where_the_bucket_keeps_versions(world: ExportWorld) -> None:
    world.one_table_each()
    world.s3.put_bucket_versioning(
        Bucket=world.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    (entry,) = world.export("permit").schemas
    assert entry.version_id is not None
    found = world.s3.head_object(Bucket=world.bucket, Key=entry.key, VersionId=entry.version_id)
    assert found["ContentLength"] == entry.bytes


def without_times(archive: bytes) -> bytes:
    """The tar in an archive, with nothing where its members' times and header checksums are."""
    content = bytearray(gzip.decompress(archive))
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        headers = [member.offset for member in tar]
    for start in headers:
        content[start + 136 : start + 156] = bytes(20)
    return bytes(content)


def test_equal_contents_make_equal_archives_but_for_their_time(world: ExportWorld) -> None:
    world.one_table_each()
    world.execute("CREATE TABLE permit.more AS SELECT n, n * 0.1 FROM generate_series(1, 1000) n")
    world.export("permit")
    first = world.read("export/permit.tgz")
    world.export("permit")
    second = world.read("export/permit.tgz")
    assert without_times(first) == without_times(second)

    world.execute("UPDATE permit.more SET n = 0 WHERE n = 1000")
    world.export("permit")
    assert without_times(first) != without_times(world.read("export/permit.tgz"))


def test_the_time_in_an_archive_is_that_of_the_snapshot(world: ExportWorld) -> None:
    world.one_table_each()
    manifest = world.export("permit")
    archive = world.read("export/permit.tgz")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        (member,) = tar.getmembers()
    taken_at = int(manifest.snapshot_at.timestamp())
    assert (member.mtime, member.uid, member.gid, member.mode) == (taken_at, 0, 0, 0o644)
    assert int.from_bytes(archive[4:8], "little") == taken_at
    # Whole: every checksum in the stream is right, and the end of the tar is there.
    assert gzip.decompress(archive).endswith(bytes(1024))


def test_members_get_the_prefix_that_older_readers_expect(world: ExportWorld) -> None:
    world.one_table_each()
    world.export("permit", member_prefix="tmp/")
    assert list(world.members("permit")) == ["tmp/permit/things.csv"]


def test_all_tables_are_of_one_moment_in_every_schema(world: ExportWorld) -> None:
    """X9."""
    world.execute(
        *("CREATE SCHEMA water", "CREATE SCHEMA crm"),
        *(f"CREATE TABLE {t} (id int)" for t in ("water.child", "water.parent", "crm.cousin")),
    )
    with psycopg.connect(world.database_url, autocommit=True) as other:
        inserted = 0

        def insert() -> None:
            # As often as the export asks whether it has to go on: between any two tables too.
            nonlocal inserted
            inserted += 1
            with other.transaction():
                for table in ("water.parent", "water.child", "crm.cousin"):
                    other.execute(f"INSERT INTO {table} VALUES (%s)".encode(), (inserted,))

        world.export("water", "crm", checkpoint=insert)

    exported = [
        world.rows(*name) for name in (("water", "parent"), ("water", "child"), ("crm", "cousin"))
    ]
    assert exported[0] == exported[1] == exported[2]
    assert 0 < len(exported[0]) < inserted


def test_nobody_empties_or_alters_a_table_before_it_is_read(world: ExportWorld) -> None:
    world.one_table_each()
    refusals: list[str] = []
    with psycopg.connect(world.database_url, autocommit=True) as other:
        other.execute("SET lock_timeout = '50ms'")

        def alter() -> None:
            for statement in (
                "TRUNCATE permit.things",
                "ALTER TABLE permit.things ALTER id TYPE bigint",
                "DROP TABLE permit.things",
            ):
                try:
                    # Only while the export has its snapshot.
                    begun = other.execute(
                        "SELECT FROM pg_stat_activity WHERE backend_xmin IS NOT NULL"
                        " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
                    ).fetchone()
                    if begun is not None:
                        other.execute(statement.encode())
                except psycopg.errors.LockNotAvailable:
                    refusals.append(statement.split()[0])

        world.export(checkpoint=alter)

    assert {"TRUNCATE", "ALTER", "DROP"} == set(refusals)
    assert world.rows("permit", "things") == [["1"]]


def test_a_partitioned_table_is_one_file_and_an_heir_has_its_own_rows(world: ExportWorld) -> None:
    """X11."""
    world.execute(
        "CREATE SCHEMA water",
        "CREATE TABLE water.readings (year int) PARTITION BY RANGE (year)",
        "CREATE TABLE water.y1 PARTITION OF water.readings FOR VALUES FROM (0) TO (2000)",
        "CREATE TABLE water.y2 PARTITION OF water.readings FOR VALUES FROM (2000) TO (3000)"
        " PARTITION BY RANGE (year)",
        "CREATE TABLE water.y3 PARTITION OF water.y2 FOR VALUES FROM (2000) TO (3000)",
        "INSERT INTO water.readings VALUES (1999), (2001), (2002)",
        "CREATE TABLE water.parent AS SELECT 1 AS id",
        "CREATE TABLE water.heir () INHERITS (water.parent)",
        "INSERT INTO water.heir VALUES (2)",
    )
    world.export("water")
    assert list(world.members("water")) == [
        "water/heir.csv",
        "water/parent.csv",
        "water/readings.csv",
    ]
    assert sorted(world.rows("water", "readings")) == [["1999"], ["2001"], ["2002"]]
    assert world.rows("water", "parent") == [["1"]]
    assert world.rows("water", "heir") == [["2"]]


def test_a_table_that_cannot_be_read_fails_its_schema_only(world: ExportWorld) -> None:
    """X12; ``scratch`` finds files that are left."""
    world.one_table_each(ALL_SCHEMAS)
    world.execute(
        f"CREATE TABLE returns.unreadable AS SELECT {UNREADABLE} AS j",
        "INSERT INTO returns.unreadable SELECT '{}' FROM generate_series(1, 10)",
    )
    manifest = incomplete(world, *ALL_SCHEMAS)

    assert only_returns_failed(world, manifest).startswith("table_unreadable: ")
    # What was read before and after the failure is of one moment all the same.
    assert {entry.snapshot_at for entry in manifest.schemas} == {manifest.snapshot_at}
    assert world.rows("permit", "things") == [["1"]]


def test_rows_that_the_role_may_not_see_are_an_error_not_an_omission(world: ExportWorld) -> None:
    world.one_table_each()
    world.execute(
        "DROP ROLE IF EXISTS exporter",
        "CREATE ROLE exporter",
        *(f"GRANT USAGE ON SCHEMA {schema} TO exporter" for schema in SCHEMAS),
        *(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO exporter" for schema in SCHEMAS),
        "ALTER TABLE returns.things ENABLE ROW LEVEL SECURITY",
    )
    manifest = incomplete(world, role="exporter")
    assert only_returns_failed(world, manifest).startswith("table_unreadable: ")


def test_a_table_that_the_role_may_not_read_fails_its_schema_only(world: ExportWorld) -> None:
    world.one_table_each()
    world.execute(
        "DROP ROLE IF EXISTS reader",
        "CREATE ROLE reader",
        *(f"GRANT USAGE ON SCHEMA {schema} TO reader" for schema in SCHEMAS),
        *(
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader"
            for schema in ("water", "permit")
        ),
    )
    manifest = incomplete(world, role="reader")
    assert only_returns_failed(world, manifest).startswith("table_unreadable: ")


def test_a_table_that_stays_locked_fails_its_schema_only(world: ExportWorld) -> None:
    world.one_table_each()
    database = world.database_url.rpartition("/")[2]
    world.execute(f"ALTER DATABASE \"{database}\" SET lock_timeout = '200ms'")
    with psycopg.connect(world.database_url) as other:
        other.execute("LOCK TABLE returns.things IN ACCESS EXCLUSIVE MODE")
        manifest = incomplete(world)
    assert only_returns_failed(world, manifest).startswith("database_timeout: ")


@pytest.mark.parametrize("there", [True, False])
def test_a_schema_without_tables_fails_and_the_others_do_not(
    world: ExportWorld, there: bool
) -> None:
    """X14."""
    world.one_table_each()
    world.execute("DROP TABLE returns.things" if there else "DROP SCHEMA returns CASCADE")
    manifest = incomplete(world)
    assert "Error: Unable to fetch table names" in only_returns_failed(world, manifest)


def test_a_table_whose_name_is_no_file_name_fails_its_schema_only(world: ExportWorld) -> None:
    world.one_table_each()
    world.execute('CREATE TABLE returns."../../etc/passwd" (id int)')
    manifest = incomplete(world)
    assert only_returns_failed(world, manifest).startswith("export_table_name: ")


def test_an_archive_that_cannot_be_uploaded_fails_its_schema_only(world: ExportWorld) -> None:
    """X13; ``scratch`` finds files that are left."""
    world.one_table_each()

    def no_returns(call: Call) -> Fault | None:
        is_part = call.path.endswith("/returns.tgz") and "partNumber" in call.query
        return Refusal(500, "InternalError") if is_part else None

    with AwsProxy(world.aws, no_returns) as proxy:
        manifest = incomplete(world, endpoint_url=proxy.url)
        tries = [call for call in proxy.calls if no_returns(call)]

    assert only_returns_failed(world, manifest).startswith("s3_unavailable: ")
    assert len(tries) == 5


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """No file of this process grows beyond ``size`` bytes: a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_table_that_does_not_fit_on_the_disk_fails_its_schema_only(world: ExportWorld) -> None:
    world.one_table_each()
    world.execute(
        "CREATE TABLE returns.large AS"
        " SELECT gen_random_uuid() AS a, gen_random_uuid() AS b FROM generate_series(1, 40000)"
    )
    with files_limited_to(500_000):
        manifest = incomplete(world)
    assert only_returns_failed(world, manifest).startswith("disk_full: ")


def test_a_lost_connection_ends_the_run_without_a_manifest(world: ExportWorld) -> None:
    world.one_table_each()

    def cut() -> None:
        if "export/returns.tgz" in world.unfinished_uploads():
            world.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    with pytest.raises(psycopg.OperationalError):
        world.export(checkpoint=cut)
    assert world.keys() == ["export/water.tgz"]
    assert world.unfinished_uploads() == []


def test_a_run_that_is_no_longer_alone_publishes_nothing_more(world: ExportWorld) -> None:
    world.one_table_each()

    def still_alone() -> None:
        if world.keys():
            raise TransientError("water_database_unavailable", "The lock is gone.")

    with pytest.raises(TransientError, match="water_database_unavailable"):
        world.export(still_alone=still_alone)
    assert world.keys() == ["export/water.tgz"]
    assert world.unfinished_uploads() == []


def test_a_run_that_has_to_stop_leaves_no_manifest(world: ExportWorld) -> None:
    world.one_table_each()

    def stop() -> None:
        if "export/permit.tgz" in world.unfinished_uploads():
            raise Interrupted("stop_requested", "Stop.")

    with pytest.raises(Interrupted):
        world.export(checkpoint=stop)
    assert world.keys() == ["export/returns.tgz", "export/water.tgz"]


def test_a_bucket_that_is_closed_to_us_is_found_out_before_anything_is_read(
    world: ExportWorld,
) -> None:
    with (
        AwsProxy(world.aws, lambda call: Refusal(403, "AccessDenied")) as proxy,
        pytest.raises(ConfigurationFault) as raised,
    ):
        world.export("no_such_schema", endpoint_url=proxy.url)
    assert raised.value.code == "s3_access_denied"
    world.bucket = "no-such-bucket"
    with pytest.raises(ConfigurationFault, match="NoSuchBucket"):
        world.export("no_such_schema")


def test_what_a_killed_run_has_left_is_removed_and_not_mixed_in(
    world: ExportWorld, scratch: Path
) -> None:
    """X16."""
    world.one_table_each()
    world.s3.create_multipart_upload(Bucket=world.bucket, Key="export/water.tgz")
    world.s3.create_multipart_upload(Bucket=world.bucket, Key="elsewhere/water.tgz")
    left = scratch / "nrf-export-killed"
    (left / "files").mkdir(parents=True)
    (left / "in-use").touch()
    (left / "files" / "table.csv.deflate").write_bytes(b"leftover")

    world.export()

    assert not left.exists()
    assert world.members("water") == {"water/things.csv": b'"id"\n1\n'}
    assert world.unfinished_uploads() == ["elsewhere/water.tgz"]


@pytest.mark.parametrize(
    ("change", "tables"),
    [
        ("CREATE TABLE permit.made (id int)", ["made", "other", "things"]),
        ("DROP TABLE permit.other", ["things"]),
    ],
)
def test_every_table_of_the_snapshot_is_locked_also_one_made_a_moment_before(
    world: ExportWorld, change: str, tables: list[str]
) -> None:
    world.one_table_each()
    world.execute("CREATE TABLE permit.other (id int)")
    locks: set[str] = set()
    with psycopg.connect(world.database_url, autocommit=True) as other:

        def look() -> None:
            if world.keys():
                # What has been read is locked in any case.
                return
            rows = other.execute(
                "SELECT relation::regclass::text"
                " FROM pg_locks JOIN pg_class ON relation = pg_class.oid"
                " WHERE granted AND mode = 'AccessShareLock' AND relkind = 'r'"
                " AND relnamespace::regnamespace::text = ANY (%s)",
                (list(SCHEMAS),),
            )
            locks.update(name for (name,) in rows)

        with (
            ThreadPoolExecutor(1) as thread,
            psycopg.connect(world.database_url) as holder,
        ):
            holder.execute("LOCK TABLE water.things IN ACCESS EXCLUSIVE MODE")
            running = thread.submit(lambda: world.export(checkpoint=look))
            wait_until(lambda: _waits_for_lock(other))
            world.execute(change)
            holder.rollback()
            running.result()

    assert list(world.members("permit")) == [f"permit/{table}.csv" for table in tables]
    assert locks == {"water.things", "returns.things", *(f"permit.{table}" for table in tables)}


def _waits_for_lock(connection: Connection) -> bool:
    found = connection.execute("SELECT FROM pg_locks WHERE NOT granted").fetchone()
    return found is not None
