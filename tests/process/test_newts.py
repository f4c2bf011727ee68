"""Newt assessments through the real worker: with a survey's ponds and with the national ones."""

from __future__ import annotations

import json
from collections.abc import Sequence

import psycopg

from tests.fakes.boundaries import Shapefile, square
from tests.fakes.environment import COMPLETED, FAILED, Environment
from tests.fakes.insights import run, saved_query

# Inside the risk zones and partners' areas of the generated data set. Dwellings do not matter.
SITES = Shapefile(
    shapes=((square(455_000.0, 262_000.0),), (square(455_200.0, 262_000.0),)),
    columns={
        "Name": ("C", 10, ["Field", "Orchard"]),
        "Dwellings": ("C", 10, ["unknown", None]),
    },
)
BUCKET_KEY, PONDS_KEY = "newts-1/site.zip", "newts-1/ponds.zip"


def request(**changes: object) -> dict[str, object]:
    return {
        "job_id": "newts-1",
        "s3_input_key": BUCKET_KEY,
        "developer_email": "developer@example.com",
        "development_name": "Mill Lane",
        "assessment_type": "gcn",
        **changes,
    }


def put(environment: Environment, key: str, content: bytes) -> None:
    environment.aws.s3.put_object(Bucket=environment.bucket, Key=key, Body=content)


def ponds(pans: Sequence[str] = ("P", "A"), tmp_imp: Sequence[str] = ("T", "F")) -> bytes:
    """One pond in the first site, one in the buffer."""
    shapes = ((square(455_010.0, 262_010.0, 10),), (square(455_150.0, 262_050.0, 10),))
    columns = {"PANS": ("C", 2, pans), "TmpImp": ("C", 1, tmp_imp)}
    return Shapefile(shapes=shapes, columns=columns).zipped()


def forget(environment: Environment, *layers: str) -> None:
    with psycopg.connect(environment.database_url) as connection:
        connection.execute(
            "DELETE FROM reference.active_versions WHERE layer = ANY(%s)", [list(layers)]
        )


def posted_result(environment: Environment) -> dict[str, object]:
    (posted,) = environment.backend.received
    assert (posted.method, posted.path) == ("POST", "/jobs/newts-1/result")
    body = posted.json()
    assert isinstance(body, dict)
    assert body["status"] == "SUCCEEDED"
    result = body["result"]
    assert isinstance(result, dict)
    return result


def test_sites_and_surveyed_ponds_become_a_posted_result_and_an_email(
    environment: Environment,
) -> None:
    put(environment, BUCKET_KEY, SITES.zipped())
    put(environment, PONDS_KEY, ponds())
    # A survey makes the national layer unnecessary, and newts need none of the nutrient layers.
    forget(environment, "gcn_ponds", "coefficient_layer", "nn_catchments")
    environment.send(request(survey_ponds_key=PONDS_KEY), correlation_id="trace-newts")

    with environment.worker() as worker:
        worker.wait_for("message.deleted")

    result = posted_result(environment)
    assert (result["assessment"], result["ponds_source"]) == ("gcn", "survey")
    assert [(site["site"], site["name"]) for site in _rows(result, "sites")] == [
        (1, "Field"),
        (2, "Orchard"),
    ]
    assert sum(float(str(row["habitat_area_m2"])) for row in _rows(result, "habitat")) > 200_000
    assert {
        (row["pans"], row["area"], row["tmp_imp"], row["frequency"])
        for row in _rows(result, "ponds")
    } == {("P", "RLB", "T", 1), ("A", "Buffer", "F", 1)}
    assert _rows(result, "habitat_by_edp") and _rows(result, "ponds_by_edp")
    (email,) = environment.notify.sent
    assert (email.to, email.template_id) == ("developer@example.com", COMPLETED)
    assert email.personalisation["assessment_type"] == "gcn"
    assert environment.messages() == 0
    pinned = environment.value("SELECT reference_versions FROM jobs.assignment")
    assert isinstance(pinned, dict)
    assert set(pinned) == {"gcn_risk_zones", "edp_edges"}
    (versions,) = run(saved_query("newt-jobs-by-data-version"), worker.lines)
    assert versions["jobs"] == 1
    assert versions["risk_zones"] == versions["edges"] == 1


def test_without_a_survey_national_ponds_are_used(environment: Environment) -> None:
    put(environment, BUCKET_KEY, SITES.zipped())
    environment.send(request())

    with environment.worker() as worker:
        worker.wait_for("message.deleted")

    result = posted_result(environment)
    assert result["ponds_source"] == "national"
    versions = result["reference_versions"]
    assert isinstance(versions, dict)
    assert set(versions) == {"gcn_risk_zones", "edp_edges", "gcn_ponds"}
    assert {row["pans"] for row in _rows(result, "ponds")} <= {"NS"}
    assert environment.value("SELECT payload->'habitat' FROM jobs.result") == result["habitat"]


def test_a_survey_that_says_nothing_of_newts_fails_the_job_with_its_code(
    environment: Environment,
) -> None:
    put(environment, BUCKET_KEY, SITES.zipped())
    put(environment, PONDS_KEY, ponds(pans=("P", "?")))
    environment.send(request(survey_ponds_key=PONDS_KEY))

    with environment.worker() as worker:
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")

    (posted,) = environment.backend.received
    error = json.loads(posted.body)["error"]
    assert error["code"] == "survey_ponds_invalid"
    assert error["message"].startswith("Survey ponds: Feature 2 ")
    assert [one.template_id for one in environment.notify.sent] == [FAILED]


def test_a_survey_that_is_not_in_the_bucket_is_named(environment: Environment) -> None:
    put(environment, BUCKET_KEY, SITES.zipped())
    environment.send(request(survey_ponds_key=PONDS_KEY))

    with environment.worker() as worker:
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")

    (posted,) = environment.backend.received
    error = json.loads(posted.body)["error"]
    assert error["code"] == "boundary_not_found"
    assert "survey ponds" in error["message"]


def test_nutrient_jobs_run_without_any_newt_layer(environment: Environment) -> None:
    put(environment, BUCKET_KEY, Shapefile(shapes=((square(455_000.0, 262_000.0),),)).zipped())
    forget(environment, "gcn_risk_zones", "gcn_ponds", "edp_edges")
    environment.send(request(assessment_type="nutrient", number_of_dwellings=60))

    with environment.worker() as worker:
        worker.wait_for("message.deleted")

    assert posted_result(environment)["assessment"] == "nutrient"


def _rows(result: dict[str, object], name: str) -> list[dict[str, object]]:
    rows = result[name]
    assert isinstance(rows, list)
    return rows
