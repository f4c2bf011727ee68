"""What tests submit to the real worker: a site in the generated data, and requests about it."""

from __future__ import annotations

from tests.fakes.boundaries import Shapefile, bow_tie, polygon, square
from tests.fakes.environment import Environment

# Inside a catchment of the generated data set.
SITE = square(455_000.0, 262_000.0)


def request(job_id: str = "job-1", **changes: object) -> dict[str, object]:
    return {
        "job_id": job_id,
        "s3_input_key": f"{job_id}/site.zip",
        "developer_email": "developer@example.com",
        "submitted_at": "2026-11-01T09:00:00Z",
        "development_name": "Mill Lane",
        "dwelling_type": "house",
        "number_of_dwellings": 60,
        "assessment_type": "nutrient",
        **changes,
    }


def quote(reference: str = "NRF-000001", **changes: object) -> dict[str, object]:
    return {
        "reference": reference,
        "boundaryGeojson": {
            "boundaryGeometryOriginal": polygon(SITE),
            "intersectingEdps": [],
        },
        "housingUnits": 60,
        "traceId": "trace-of-the-quote",
        **changes,
    }


def put_site(environment: Environment, key: str = "job-1/site.zip") -> None:
    environment.aws.s3.put_object(
        Bucket=environment.bucket, Key=key, Body=Shapefile(shapes=((SITE,),)).zipped()
    )


def put_broken_site(environment: Environment, job_id: str) -> None:
    environment.aws.s3.put_object(
        Bucket=environment.bucket,
        Key=f"{job_id}/site.zip",
        Body=Shapefile(shapes=((bow_tie(455_000.0, 262_000.0),),)).zipped(),
    )
