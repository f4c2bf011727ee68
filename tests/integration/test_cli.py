"""The commands as a person uses them: what they print and how they exit."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.fakes.boundaries import Shapefile, bow_tie, square
from tests.fakes.commands import run_command
from tests.fakes.ledger import LedgerBench, delivery, new_job
from tests.fakes.messages import message, quote_body
from worker.demo.aws import AwsEmulator, QueuePair
from worker.demo.postgis import DatabaseServer
from worker.errors import PermanentError
from worker.jobs.payloads import job_key, parse_request
from worker.queue.envelope import open_envelope
from worker.reference.generate import generate
from worker.reference.load import load_directory

SITE = square(455_000.0, 262_000.0)


@pytest.fixture(scope="module")
def loaded_url(
    postgis: DatabaseServer, database_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A database with a small generated data set, for tests that only read."""
    name = f"cli-{uuid.uuid4().hex[:12]}"
    url = postgis.create_database(name, database_template)
    directory = tmp_path_factory.mktemp("layers")
    generate(directory, seed=7, cells=2_000)
    with psycopg.connect(url) as connection:
        load_directory(connection, directory, label="small", loaded_by="tests")
    yield url
    postgis.drop_database(name)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.zip"
    file.write_bytes(Shapefile(shapes=((SITE,),)).zipped())
    return file


def test_an_assessment_as_json_has_its_versions_and_constants(loaded_url: str, site: Path) -> None:
    done = run_command(
        *("assess", "nutrient", str(site), "--dwellings", "60", "--format", "json"),
        DATABASE_URL=loaded_url,
    )

    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    (only,) = result["sites"]
    assert (only["site"], only["dwellings"], only["dev_area_ha"]) == (1, 60, 1.0)
    assert result["reference_versions"]["coefficient_layer"]["version"] == 1
    assert result["constants"]["suds_min_dwellings"] == 50


def test_an_assessment_as_csv_and_into_a_folder_says_the_same(
    loaded_url: str, site: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    done = run_command(
        *("assess", "nutrient", str(site), "--dwellings", "60", "--format", "csv"),
        *("--output", str(output)),
        DATABASE_URL=loaded_url,
    )

    assert done.returncode == 0, done.stderr
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    (only,) = json.loads((output / "nutrient.json").read_text())["sites"]
    assert float(row["N_Total"]) == only["n_total_kg_yr"]
    written = (output / "nutrient.csv").read_text(encoding="utf-8")
    assert list(csv.DictReader(io.StringIO(written))) == [row]


@pytest.fixture
def ponds(tmp_path: Path) -> Path:
    file = tmp_path / "ponds.zip"
    pond = square(455_010.0, 262_010.0, 10)
    columns = {"PANS": ("C", 2, ["P"]), "TmpImp": ("C", 1, ["T"])}
    file.write_bytes(Shapefile(shapes=((pond,),), columns=columns).zipped())
    return file


def test_a_newt_assessment_writes_its_json_and_the_four_files(
    loaded_url: str, site: Path, ponds: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    done = run_command(
        *("assess", "gcn", str(site), "--ponds", str(ponds), "--format", "json"),
        *("--output", str(output)),
        DATABASE_URL=loaded_url,
    )

    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert result == json.loads((output / "gcn.json").read_text(encoding="utf-8"))
    (kind,) = result["ponds"]
    assert (kind["pans"], kind["area"], kind["tmp_imp"], kind["frequency"]) == ("P", "RLB", "T", 1)
    assert result["constants"]["site_buffer_m"] == 250
    assert {file.name for file in output.iterdir()} == {
        *("gcn.json", "habitat.psv", "ponds.psv", "habitat_by_edp.psv", "ponds_by_edp.psv"),
        *("report.pdf", "report.html"),
    }
    written = (output / "habitat.psv").read_text(encoding="utf-8").splitlines()
    assert written[0] == "Site|Area|RZ|Shape_Area"
    assert len(written) == 1 + len(result["habitat"])


@pytest.mark.parametrize("shown_as", ["psv", "table"])
def test_newts_are_shown_without_a_survey_too(loaded_url: str, site: Path, shown_as: str) -> None:
    done = run_command("assess", "gcn", str(site), "--format", shown_as, DATABASE_URL=loaded_url)

    assert done.returncode == 0, done.stderr
    assert {"psv": "PANS|Area|MaxZone|TmpImp|FREQUENCY", "table": "national"}[
        shown_as
    ] in done.stdout


def test_bad_survey_ponds_exit_65_with_their_code(
    loaded_url: str, site: Path, tmp_path: Path
) -> None:
    for ponds, code in (
        (site, "survey_ponds_invalid"),
        (tmp_path / "none.zip", "not_a_boundary_file"),
    ):
        done = run_command(
            "assess", "gcn", str(site), "--ponds", str(ponds), DATABASE_URL=loaded_url
        )
        assert done.returncode == 65
        assert done.stderr.startswith(f"{code}: ")


def test_a_bad_boundary_exits_65_with_its_code_and_sentence(
    loaded_url: str, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(Shapefile(shapes=((bow_tie(455_000.0, 262_000.0),),)).zipped())

    done = run_command(
        "assess", "nutrient", str(broken), "--dwellings", "1", DATABASE_URL=loaded_url
    )

    assert done.returncode == 65
    assert done.stderr.startswith("geometry_invalid: ")
    assert done.stdout == ""


def test_missing_data_or_database_exits_69(database_url: str, site: Path) -> None:
    for url, code in (
        (database_url, "reference_data_missing"),
        ("postgresql://127.0.0.1:1/none", "database_unavailable"),
    ):
        done = run_command("assess", "nutrient", str(site), "--dwellings", "1", DATABASE_URL=url)
        assert done.returncode == 69
        assert done.stderr.startswith(f"{code}: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("jobs", "list"),
        ("jobs", "show", "job-1"),
        ("jobs", "cancel", "job-1"),
        ("reference", "list"),
        ("reference", "history"),
        ("dlq", "list"),
    ],
)
def test_a_database_that_is_not_migrated_is_told_in_a_line_and_exits_69(
    aws: AwsEmulator, queue: QueuePair, empty_database_url: str, arguments: tuple[str, ...]
) -> None:
    aws.sqs.send_message(QueueUrl=queue.dlq_url, MessageBody="{}")
    urls = {"SQS_QUEUE_URL": queue.url, "SQS_DLQ_URL": queue.dlq_url}

    done = run_command(*arguments, **aws.environment, **urls, DATABASE_URL=empty_database_url)

    assert done.returncode == 69
    first, detail = done.stderr.splitlines()
    assert first == "database_behind: The database is not migrated: run 'worker db migrate'."
    assert "does not exist" in detail


def test_an_error_that_nobody_foresaw_is_told_in_a_line_and_exits_70(database_url: str) -> None:
    LedgerBench(database_url).claimed()
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE jobs.job ALTER created_at TYPE text USING 'yesterday'")

    done = run_command("jobs", "list", DATABASE_URL=database_url)

    assert done.returncode == 70
    first, detail = done.stderr.splitlines()
    assert first.startswith("internal_error: ")
    assert detail.startswith("  ")
    assert ".py:" in detail


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("jobs", "list", "--status", "LOST"), ("jobs", "show")]
)
def test_a_wrong_use_exits_64(arguments: tuple[str, ...]) -> None:
    assert run_command(*arguments).returncode == 64


def test_a_configuration_check_masks_secrets_and_exits_78_with_a_line_for_each_problem() -> None:
    done = run_command("config", "check", BACKEND_API_KEY="do-not-print-me")

    assert done.returncode == 78
    assert "configuration: SQS_QUEUE_URL is required" in done.stderr.splitlines()
    assert "********" in done.stdout
    assert "do-not-print-me" not in done.stdout + done.stderr


def test_a_configuration_check_finds_what_the_start_would_find() -> None:
    example = Path(__file__).parents[2] / ".env.example"
    lines = [line for line in example.read_text().splitlines() if "=" in line]
    variables = dict(line.split("=", 1) for line in lines if not line.startswith("#"))

    assert run_command("config", "check", **variables).returncode == 0
    done = run_command("config", "check", **(variables | {"GOVUK_NOTIFY_API_KEY": "change-me"}))
    assert done.returncode == 78
    assert done.stderr.startswith("configuration: GOVUK_NOTIFY_API_KEY")


def test_submitting_without_a_queue_or_with_one_that_is_away_says_so(site: Path) -> None:
    assert run_command("submit", str(site)).returncode == 78
    away = {"SQS_QUEUE_URL": "http://127.0.0.1:1/0/q", "S3_INPUT_BUCKET": "bucket"}
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    done = run_command("submit", str(site), **away, **keys, AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert done.returncode == 69
    assert done.stderr.startswith("aws_unavailable: ")


def test_migrating_twice_does_nothing_the_second_time(empty_database_url: str) -> None:
    first = run_command("db", "migrate", DATABASE_URL=empty_database_url)
    second = run_command("db", "migrate", DATABASE_URL=empty_database_url)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout.startswith("database: empty -> ")
    before, after = second.stdout.removeprefix("database: ").strip().split(" -> ")
    assert before == after


def test_a_submitted_file_is_in_the_bucket_and_its_message_on_the_queue(
    aws: AwsEmulator, queue: QueuePair, bucket: str, site: Path
) -> None:
    done = run_command(
        *("submit", str(site), "--dwellings", "12", "--job-id", "manual-1"),
        *("--email", "developer@example.com", "--name", "Mill Lane"),
        **aws.environment,
        SQS_QUEUE_URL=queue.url,
        S3_INPUT_BUCKET=bucket,
    )

    assert done.returncode == 0, done.stderr
    (message,) = aws.sqs.receive_message(QueueUrl=queue.url, MessageAttributeNames=["All"])[
        "Messages"
    ]
    body = json.loads(message["Body"])
    assert (body["job_id"], body["number_of_dwellings"]) == ("manual-1", 12)
    stored = aws.s3.get_object(Bucket=bucket, Key=body["s3_input_key"])["Body"].read()
    assert stored == site.read_bytes()
    correlation = message["MessageAttributes"]["CorrelationId"]["StringValue"]
    assert f"correlation id {correlation}" in done.stdout


def test_a_submitted_newt_request_takes_its_ponds_along(
    aws: AwsEmulator, queue: QueuePair, bucket: str, site: Path, ponds: Path
) -> None:
    variables = {**aws.environment, "SQS_QUEUE_URL": queue.url, "S3_INPUT_BUCKET": bucket}

    done = run_command(
        "submit", str(site), "--assessment", "gcn", "--ponds", str(ponds), **variables
    )
    refused = run_command(
        "submit", str(site), "--dwellings", "1", "--ponds", str(ponds), **variables
    )

    assert done.returncode == 0, done.stderr
    (message,) = aws.sqs.receive_message(QueueUrl=queue.url)["Messages"]
    body = json.loads(message["Body"])
    assert body["assessment_type"] == "gcn"
    stored = aws.s3.get_object(Bucket=bucket, Key=body["survey_ponds_key"])["Body"].read()
    assert stored == ponds.read_bytes()
    assert refused.returncode == 65
    assert "survey_ponds_key goes with assessment_type gcn only" in refused.stderr


def test_jobs_are_listed_and_one_is_shown_with_its_story(database_url: str) -> None:
    bench = LedgerBench(database_url)
    bench.ledger.succeed(bench.claimed(), {"total": 1}, (delivery("result"),))

    listed = run_command("jobs", "list", DATABASE_URL=database_url)
    shown = run_command("jobs", "show", "trace-1", DATABASE_URL=database_url)
    unknown = run_command("jobs", "show", "nothing", DATABASE_URL=database_url)

    assert "job-1" in listed.stdout
    assert "SUCCEEDED" in listed.stdout
    for part in ("attempt 1", "succeeded", "delivery result", "PENDING", "result stored"):
        assert part in shown.stdout
    assert "someone@example.com" not in shown.stdout
    assert unknown.returncode == 65
    assert unknown.stderr.startswith("job_not_found")


def test_a_quotes_job_is_listed_whole_and_found_by_its_reference(database_url: str) -> None:
    bench = LedgerBench(database_url)
    request = parse_request(open_envelope(message(quote_body()), max_body_bytes=1_048_576))
    key = job_key(request)
    other = f"{key[:-1]}{'0' if key[-1] != '0' else '1'}"
    failed = bench.claimed(new_job(key, message_id="message-1", correlation_id="trace-" + "x" * 90))
    error = PermanentError("geometry_invalid_and_a_code_of_some_length", "It crosses itself.")
    bench.ledger.fail(failed, error, ())

    listed = run_command("jobs", "list", DATABASE_URL=database_url, COLUMNS="80")
    shown = run_command("jobs", "show", "NRF-000001", DATABASE_URL=database_url)

    assert listed.returncode == 0, listed.stderr
    for part in (f"{key}  impact-assessment  FAILED", "trace-" + "x" * 90, error.code):
        assert part in listed.stdout
    assert shown.stdout.startswith(f"{key}  ")

    bench.claimed(new_job(other, message_id="message-2"))
    both = run_command("jobs", "show", "NRF-000001", DATABASE_URL=database_url)
    refused = run_command("jobs", "cancel", "NRF-000001", DATABASE_URL=database_url)
    cancelled = run_command("jobs", "cancel", other, DATABASE_URL=database_url)
    unknown = run_command("jobs", "cancel", "NRF-00000", DATABASE_URL=database_url)

    assert {line.split()[0] for line in both.stdout.splitlines()} >= {key, other}
    assert refused.returncode == 65
    assert refused.stderr.startswith("job_ambiguous: ")
    assert key in refused.stderr
    assert other in refused.stderr
    assert cancelled.stdout == f"{other} is CANCELLED, it was IN_PROGRESS\n"
    assert unknown.stderr.startswith("job_not_found: ")


def test_the_only_job_of_a_quote_is_cancelled_by_its_reference(database_url: str) -> None:
    key = f"NRF-000001-{'a' * 64}"
    LedgerBench(database_url).claimed(new_job(key))

    cancelled = run_command("jobs", "cancel", "NRF-000001", DATABASE_URL=database_url)

    assert cancelled.stdout == f"{key} is CANCELLED, it was IN_PROGRESS\n"


def test_reference_data_is_generated_loaded_and_listed(database_url: str, tmp_path: Path) -> None:
    layers = tmp_path / "layers"

    generated = run_command("reference", "generate", str(layers), "--seed", "7", "--cells", "1000")
    loaded = run_command(
        "reference", "load", str(layers), "--label", "first", DATABASE_URL=database_url
    )
    listed = run_command("reference", "list", DATABASE_URL=database_url)

    assert generated.returncode == 0, generated.stderr
    assert loaded.returncode == 0, loaded.stderr
    assert "active now: first" in loaded.stdout
    assert listed.stdout.count("active") == 13
