"""What the impact assessment may be asked, what is refused, and which requests are one job."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping

import pytest

from tests.fakes.messages import assessment_body, job_body, message, quote_body
from worker.errors import MessageError
from worker.jobs.payloads import (
    AssessmentRequest,
    QuoteRequest,
    Request,
    job_key,
    parse_request,
    request_hash,
    validated,
)
from worker.jobs.scheduled import ScheduledRequest
from worker.queue.envelope import open_envelope


def parsed(body: Mapping[str, object]) -> Request:
    return parse_request(open_envelope(message(body), max_body_bytes=1_048_576))


def assessment(**changes: object) -> AssessmentRequest:
    request = parsed(assessment_body(**changes))
    assert isinstance(request, AssessmentRequest)
    return request


def quote(**changes: object) -> QuoteRequest:
    request = parsed(quote_body(**changes))
    assert isinstance(request, QuoteRequest)
    return request


def sentence(body: Mapping[str, object]) -> str:
    with pytest.raises(MessageError) as caught:
        parsed(body)
    assert caught.value.code == "payload_invalid"
    return caught.value.sentence


def geometry(**changes: object) -> dict[str, object]:
    boundary = copy.deepcopy(quote_body()["boundaryGeojson"])
    assert isinstance(boundary, dict)
    boundary["boundaryGeometryOriginal"] |= changes
    return boundary


def test_an_assessment_is_the_same_request_in_both_forms() -> None:
    plain, named = parsed(assessment_body()), parsed(job_body())
    assert isinstance(named, AssessmentRequest)
    assert job_key(plain) == job_key(named) == "job-0001"
    assert plain.payload() == named.payload()
    assert request_hash(plain) == request_hash(named)


def test_only_the_job_the_file_and_the_assessment_are_required() -> None:
    request = parsed({"job_id": "a", "s3_input_key": "k", "assessment_type": "gcn"})
    assert isinstance(request, AssessmentRequest)
    assert request.number_of_dwellings is None
    assert request.developer_email is None


@pytest.mark.parametrize("field", ["s3_input_key", "assessment_type", "job_id"])
def test_what_is_required_is_named_when_it_is_missing(field: str) -> None:
    body = assessment_body()
    del body[field]
    assert sentence(body) == f"{field}: is required"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("job_id", ""),
        ("job_id", "../etc"),
        ("job_id", "a" * 65),
        ("job_id", "a\n"),
        ("job_id", 17),
        ("job_id", None),
        ("s3_input_key", ""),
        ("s3_input_key", "a\nb"),
        ("s3_input_key", "k" * 1025),
        ("s3_input_key", "é" * 513),
        ("s3_input_key", ["k"]),
        ("s3_bucket", "Not_A_Bucket"),
        ("assessment_type", "nitrogen"),
        ("assessment_type", None),
        ("number_of_dwellings", 0),
        ("number_of_dwellings", -1),
        ("number_of_dwellings", 1_000_000),
        ("number_of_dwellings", 5.5),
        ("number_of_dwellings", "5"),
        ("number_of_dwellings", True),
        ("developer_email", "builder"),
        ("developer_email", "a b@example.com"),
        ("developer_email", "a@b@example.com"),
        ("developer_email", "a@example.com\nBcc: x@example.com"),
        ("developer_email", "a" * 250 + "@b.uk"),
        ("submitted_at", "yesterday"),
        ("submitted_at", 1_700_000_000),
        ("submitted_at", "1700000000000"),
        ("development_name", "a\r\nb"),
        ("development_name", "x" * 256),
        ("dwelling_type", 5),
        ("survey_ponds_key", "ponds.zip"),
    ],
)
def test_a_wrong_field_is_named_and_its_value_is_not(field: str, value: object) -> None:
    words = sentence(assessment_body(**{field: value}))
    assert field in words
    if isinstance(value, str) and len(value) > 3 and field != "survey_ponds_key":
        assert value not in words


def test_the_job_form_names_its_own_fields() -> None:
    assert sentence(job_body(jobId="../x")).startswith("jobId: ")


def test_a_long_list_of_problems_is_cut() -> None:
    edps = [{"label": number} for number in range(30)]
    boundary = geometry() | {"intersectingEdps": edps}
    assert sentence(quote_body(boundaryGeojson=boundary)).endswith("; and 20 more")


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("appRef", "appRef: "),
        ("\x1b[2Jforged", "a key: "),
        ("one\ntwo", "a key: "),
        ("jane@example.com", "a key: "),
        ("07700900123", "a key: "),
        ("a" * 100_000, "a key: "),
    ],
    ids=lambda value: value[:8],
)
def test_a_key_that_has_no_place_is_named_only_if_it_looks_like_a_field(
    key: str, told: str
) -> None:
    body = {"jobType": "water.licence-updates", "scheduledTime": "2026-06-15T07:15:00Z"}
    with pytest.raises(MessageError) as caught:
        validated(ScheduledRequest, {**body, "runDate": "2026-06-15", key: 1})
    assert caught.value.sentence == f"{told}Extra inputs are not permitted"


def test_no_character_of_a_wrong_run_id_is_told() -> None:
    body = {"jobType": "x", "scheduledTime": "2026-06-15T07:15:00Z", "runDate": "2026-06-15"}
    with pytest.raises(MessageError) as caught:
        validated(ScheduledRequest, {**body, "runId": "\x1b"})
    assert caught.value.sentence == "runId: is not a UUID"


def test_a_whole_number_may_be_written_with_a_fraction_of_zero() -> None:
    assert assessment(number_of_dwellings=25.0).number_of_dwellings == 25
    assert request_hash(assessment(number_of_dwellings=25.0)) == request_hash(assessment())


@pytest.mark.parametrize(
    "field", ["developer_email", "submitted_at", "s3_bucket", "survey_ponds_key"]
)
@pytest.mark.parametrize("value", [None, ""])
def test_an_empty_optional_field_is_an_absent_one(field: str, value: object) -> None:
    body = assessment_body()
    body.pop(field, None)
    assert parsed(assessment_body(**{field: value})) == parsed(body)


def test_unknown_keys_are_ignored_and_do_not_change_the_job() -> None:
    assert request_hash(assessment(colour="blue")) == request_hash(assessment())


def test_survey_ponds_belong_to_newts() -> None:
    request = assessment(assessment_type="gcn", survey_ponds_key="ponds.zip")
    assert request.survey_ponds_key == "ponds.zip"


def test_a_quote_gives_its_geometry_as_it_came() -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::27700"}}
    request = quote(boundaryGeojson=geometry(crs=crs))
    document = request.boundary.geometry.model_dump(exclude_none=True)
    assert document["type"] == "Polygon"
    assert document["coordinates"][0][1] == [620100.0, 310000.0]
    assert document["crs"] == crs
    assert "crs" not in quote().boundary.geometry.model_dump(exclude_none=True)
    assert request.boundary.intersecting_edps[0].n2k_site_name == "The Broads SAC"


@pytest.mark.parametrize(
    ("names", "dwellings"),
    [
        ({"housingUnits": 25}, 25),
        ({"residentialBuildingCount": 25}, 25),
        ({"housingUnits": 25, "residentialBuildingCount": 25}, 25),
        ({}, None),
    ],
)
def test_the_number_of_dwellings_has_two_names(
    names: dict[str, object], dwellings: int | None
) -> None:
    body = quote_body() | {"housingUnits": None} | names
    request = parsed(body)
    assert isinstance(request, QuoteRequest)
    assert request.dwellings == dwellings


def test_both_names_with_one_number_are_the_same_job_as_either() -> None:
    older = quote(housingUnits=None, residentialBuildingCount=25)
    both = quote(residentialBuildingCount=25)
    assert job_key(older) == job_key(both) == job_key(quote())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"housingUnits": 0}, "housingUnits"),
        ({"housingUnits": "25"}, "housingUnits"),
        ({"residentialBuildingCount": 26}, "contradict"),
        ({"peopleCount": 0}, "peopleCount"),
        ({"reference": "NRF-1"}, "reference"),
        ({"reference": "NRF-000001\n"}, "reference"),
        ({"reference": "nrf-000001"}, "reference"),
        ({"reference": "NRF-00000\u0661"}, "reference"),
        ({"developmentTypes": "housing"}, "developmentTypes"),
        ({"boundaryGeojson": None}, "boundaryGeojson"),
        (
            {"boundaryGeojson": {}},
            "boundaryGeojson.boundaryGeometryOriginal: is required",
        ),
        ({"boundaryGeojson": geometry(type="Point")}, "boundaryGeometryOriginal.type"),
        (
            {"boundaryGeojson": geometry(coordinates="x")},
            "boundaryGeometryOriginal.coordinates",
        ),
        ({"boundaryGeojson": geometry(crs="EPSG:27700")}, "crs"),
    ],
)
def test_a_wrong_quote_says_what_is_wrong(changes: dict[str, object], words: str) -> None:
    assert words in sentence(quote_body(**changes))


def test_a_quote_is_identified_by_reference_and_content_but_not_by_its_trace() -> None:
    key = job_key(quote())
    assert key.startswith("NRF-000001-")
    assert job_key(quote(traceId="another")) == key
    assert job_key(quote(email="someone@example.com")) == key
    assert job_key(quote(housingUnits=26)) != key
    assert job_key(quote(reference="NRF-000002")) != key


@pytest.mark.parametrize("trace", [5, {"a": 1}, None])
def test_an_odd_trace_id_does_not_fail_a_quote(trace: object) -> None:
    assert quote(traceId=trace).reference == "NRF-000001"


def test_the_first_development_type_is_the_dwelling_category() -> None:
    assert quote(developmentTypes=["other-residential", "housing"]).dwelling_category == (
        "other-residential"
    )
    assert quote(developmentTypes=[]).dwelling_category == "housing"
    assert quote(developmentTypes=None).dwelling_category == "housing"


@pytest.mark.parametrize("request_", [assessment(), quote()], ids=["assessment", "quote"])
def test_a_stored_payload_is_the_same_request(request_: Request) -> None:
    stored = json.loads(json.dumps(request_.payload()))
    assert type(request_).model_validate(stored).payload() == request_.payload()
