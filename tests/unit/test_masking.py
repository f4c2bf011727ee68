"""What operators see of a message: no address and no place, whatever its producer made of it."""

from __future__ import annotations

import json

import pytest

from tests.fakes.messages import assessment_body, quote_body
from worker.reports.masking import masked_text, shown_body, shown_value

SECRET = ("john", "example.com", "6200", "3100", "51.1")


def sns(text: str) -> str:
    return json.dumps({"Type": "Notification", "Message": text})


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"developer_email": "john.smith at example.com"}),
        json.dumps({"developer_email": "john.smith(a)example.com"}),
        json.dumps({"applicantEmails": [{"name": "john"}]}),
        json.dumps({"name": "john.smith＠example.com"}),
        json.dumps({"coordinates": [["620000.5", "310000.5"]]}),
        json.dumps({"coordinates": {"lat": "51.1", "lng": 620000}}),
        json.dumps({"bbox": "620000,310000,620100,310100"}),
        json.dumps({"site": {"centroid": {"lat": 51.12, "lon": 0.1}, "easting": 620000}}),
        json.dumps({"extent": [620000, 310000, 620100, 310100]}),
        json.dumps({"unknown": [620000, 310000]}),
        json.dumps(
            {"boundaryGeometryOriginal": {"type": "620000 310000", "ring": {"620000": 310000}}}
        ),
        json.dumps({"site": '{"bbox": [620000, 310000], "developer_email": "john"}'}),
        json.dumps({"site": '{"bbox": [620000, 310000], "developer_email": "john" '}),
        sns('{"bbox": [620000, 310000], "developer_email": "john(a)example.com"}'),
        sns('{"bbox": [620000, 310000], "developer_email": "john(a)example.com"'),
        sns("at 620000 310000, john@example.com"),
        '{"developer_email": "john.smith(a)example.com", "bbox": [620000, 310000',
        '{"developer_email": "john \\"js\\" at example.com", "dwellings": 1',
        '{"developer_email": ["john at example.com", "john"',
        '{"Message": "{\\"developer_email\\": \\"john at example.com\\", \\"x\\": 620000',
        '{"Message": "{\\"developer_email\\": \\"a\\\\\\\\b \\n \\\\\\\\ john\\", \\"x\\": 620000',
        "easting=620000 northing=310000 developer_email=john at example.com",
        " " * 391 + "john@example.com",
        " " * 396 + "620000 310000",
        '{"developer_email": "first", "developer_email": "john at example.com"}',
        "[" * 40 + "620000, 310000" + "]" * 40,
    ],
)
def test_no_address_and_no_place_is_shown_unless_revealed(body: str) -> None:
    assert any(word in body for word in SECRET)
    shown = shown_body(body)

    assert not [word for word in SECRET if word in shown]
    assert shown_body(body, reveal=True) == body


def test_what_is_needed_to_find_a_request_stays() -> None:
    shown = json.loads(shown_body(json.dumps(assessment_body(job_id="job-20260701"))))
    assert shown == assessment_body(job_id="job-20260701") | {"developer_email": "[e-mail]"}

    quote = json.loads(shown_body(sns(json.dumps(quote_body()))))["Message"]
    assert quote["reference"] == quote_body()["reference"]
    geometry = quote["boundaryGeojson"]["boundaryGeometryOriginal"]
    assert geometry["type"] == "Polygon"
    assert geometry["coordinates"].endswith(" numbers]")
    assert shown_value("CorrelationId", "trace-20260701") == "trace-20260701"
    assert shown_value("developer_email", "john at example.com") == "[e-mail]"


def test_a_missing_address_is_told_from_a_masked_one() -> None:
    body: dict[str, object] = {
        "developer_email": "",
        "email": None,
        "coordinates": [],
        "bbox": None,
    }
    assert json.loads(shown_body(json.dumps(body))) == body


def test_a_sentence_loses_the_place_and_keeps_the_rest() -> None:
    sentence = "Site 1 is not a valid polygon: self-intersection at 455050, 262050.5. Correct it."
    assert masked_text(sentence) == (
        "Site 1 is not a valid polygon: self-intersection at [number], [number]. Correct it."
    )


def test_a_body_that_the_worker_does_not_read_is_shown_as_it_came() -> None:
    twice = '{"jobType": "a", "jobType": "b"}'
    assert shown_body(twice) == f"{twice}\n[not read as JSON]"
    assert shown_body(twice, reveal=True) == twice
    nul = '{"name": "a\\u0000b"}'
    assert shown_body(nul) == f"{nul}\n[not read as JSON]"
    assert shown_body('{"a":\x1b[2J}', reveal=True) == '{"a":\\x1b[2J}'


def test_only_the_beginning_of_a_long_body_is_shown() -> None:
    assert shown_body("{" + "x " * 300) == (
        "{" + "x " * 199 + "x\n[not read as JSON; 201 more characters]"
    )


@pytest.mark.parametrize(
    ("start", "part"),
    [
        *(("{", part) for part in ('email:"', "email\\", "email:\\", "email", "e-mail ", "1.")),
        *(("{", part) for part in ("a@ ", "[", "{")),
        *(('{email:\\"', part) for part in ("\\", "\\a", '\\\\"', '"', "\\n\\\\")),
        *(("{email", part) for part in ("\\", " ", "a", "-")),
        *(("{email:", part) for part in ("\\", "'", '["', "{{")),
    ],
)
def test_a_body_made_to_be_slow_is_masked_before_the_test_times_out(start: str, part: str) -> None:
    shown_body(start + part * (1_000_000 // len(part)))
