"""The page about messages tells the truth: its examples work, its codes and schemas are all."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.fakes.messages import message
from worker.assessments.gcn_result import GcnResult
from worker.clients.backend import QuotePatchBody
from worker.jobs.annual_review import AnnualReviewRequest, BatchRequest, WorkerRequest
from worker.jobs.deliveries import JobResultDelivery
from worker.jobs.payloads import AssessmentRequest, Request, parse_request, request_hash, validated
from worker.jobs.reference_load import ReferenceLoadRequest
from worker.jobs.scheduled import ScheduledRequest
from worker.jobs.schemas import schemas
from worker.jobs.water_export import WaterExportRequest
from worker.jobs.water_workflow import LicenceUpdatesRequest, TimeLimitedRequest
from worker.queue.envelope import Envelope, open_envelope
from worker.reference.manifest import Manifest
from worker.water.export_manifest import ExportManifest

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "messages.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^```json ([\w-]+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))


def opened(example: str) -> Envelope:
    return open_envelope(message(EXAMPLES[example]), max_body_bytes=1_048_576)


def request(example: str) -> Request:
    return parse_request(opened(example))


def test_every_example_is_named_and_tested() -> None:
    assert PAGE.count("```json") == len(EXAMPLES)
    assert set(EXAMPLES) == {
        "sns",
        "assessment",
        "newts",
        "job",
        "quote",
        "load",
        "manifest",
        "licence-updates",
        "export",
        "export-manifest",
        "review-batch",
        "review-worker",
        "time-limited",
        "patch",
        "result",
        "newt-result",
        "failure",
    }


@pytest.mark.parametrize("shape", ["assessment", "job", "quote"])
def test_examples_of_payloads_are_accepted_in_their_shape(shape: str) -> None:
    assert opened(shape).shape == shape
    assert request(shape)


def test_the_newt_example_asks_for_newts_with_a_survey() -> None:
    newts = request("newts")
    assert opened("newts").shape == "assessment"
    assert isinstance(newts, AssessmentRequest)
    assert (newts.assessment_type, newts.survey_ponds_key) == ("gcn", "uploads/job-0002/ponds.zip")
    result = json.loads(EXAMPLES["newt-result"])["result"]
    assert GcnResult.model_validate(result).model_dump(mode="json") == result


def test_the_job_example_is_the_same_request_as_the_assessment_example() -> None:
    assert request_hash(request("job")) == request_hash(request("assessment"))


def test_the_load_example_and_its_manifest_are_accepted() -> None:
    envelope = opened("load")
    assert (envelope.shape, envelope.job_type) == ("job", "reference.load")
    load = validated(ReferenceLoadRequest, envelope.body)
    assert (load.job_id, load.bucket, load.force_reason) == ("reference-2026-11", None, None)
    manifest = Manifest.model_validate_json(EXAMPLES["manifest"])
    assert set(manifest.layers) == {"coefficient_layer", "wwtw_lookup", "rates_lookup"}


@pytest.mark.parametrize(
    ("example", "model"),
    [("licence-updates", LicenceUpdatesRequest), ("time-limited", TimeLimitedRequest)],
)
def test_examples_of_scheduled_jobs_are_accepted(
    example: str, model: type[ScheduledRequest]
) -> None:
    envelope = opened(example)
    assert (envelope.shape, envelope.job_type) == ("job", f"water.{example}")
    assert validated(model, envelope.body).run_date == date(2026, 6, 15)


def test_the_export_example_and_its_manifest_are_accepted() -> None:
    envelope = opened("export")
    assert (envelope.shape, envelope.job_type) == ("job", "water.export")
    assert validated(WaterExportRequest, envelope.body).schemas == ("water", "crm")
    manifest = ExportManifest.model_validate_json(EXAMPLES["export-manifest"])
    assert (manifest.status, manifest.failed) == ("partial", ("crm",))
    assert json.loads(manifest.content()) == json.loads(EXAMPLES["export-manifest"])


@pytest.mark.parametrize(
    ("example", "model", "lists"),
    [("review-batch", BatchRequest, None), ("review-worker", WorkerRequest, (17, 23))],
)
def test_examples_of_the_annual_review_are_accepted(
    example: str, model: type[AnnualReviewRequest], lists: tuple[int, ...] | None
) -> None:
    envelope = opened(example)
    name = f"lists.annual-review.{example.removeprefix('review-')}"
    assert (envelope.shape, envelope.job_type) == ("job", name)
    request = validated(model, envelope.body)
    assert (request.run_date, request.list_ids) == (date(2026, 6, 15), lists)


def test_the_notification_example_carries_a_request_and_a_correlation_id() -> None:
    assert opened("sns").correlation_id == "5f0c-1"
    assert request("sns")


def test_examples_of_what_is_sent_are_what_the_clients_send() -> None:
    patch = json.loads(EXAMPLES["patch"])
    assert QuotePatchBody.model_validate(patch).as_json() == patch
    for name in ("result", "newt-result", "failure"):
        body = json.loads(EXAMPLES[name])
        assert JobResultDelivery(job_id="job-0001", body=body).as_json()["body"] == body


def test_the_table_of_refusals_has_every_code_and_no_other() -> None:
    table = PAGE.partition("## Refusals")[2].partition("\n## ")[0]
    listed = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert listed == set(_codes_of_message_errors())


@pytest.mark.parametrize("name", schemas())
def test_schemas_are_those_of_the_models(name: str) -> None:
    written = (REPOSITORY / "docs" / "schemas" / name).read_text(encoding="utf-8")
    assert written == schemas()[name], "run make schemas"


def test_there_is_no_schema_without_a_model() -> None:
    assert {path.name for path in (REPOSITORY / "docs" / "schemas").iterdir()} == set(schemas())


def _codes_of_message_errors() -> Iterator[str]:
    for path in (REPOSITORY / "worker").rglob("*.py"):
        # Commands refuse what is typed, not what is received.
        if path.name == "cli.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) in {
                "MessageError",
                "PayloadMismatch",
            }:
                code = ast.literal_eval(node.args[0])
                assert isinstance(code, str)
                yield code


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
