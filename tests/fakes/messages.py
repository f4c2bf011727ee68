"""Builders of SQS messages and of the bodies that the backend sends."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from worker.queue.sqs import Message

JsonObject = dict[str, object]


def message(
    body: str | Mapping[str, object],
    *,
    correlation: str | None = None,
    receive_count: int = 1,
    received_monotonic: float | None = None,
) -> Message:
    """A received message; a mapping is written as JSON."""
    return Message(
        message_id="5fea7756-0ea4-451a-a703-a558b933e274",
        receipt_handle="AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        body=body if isinstance(body, str) else json.dumps(body),
        receive_count=receive_count,
        sent_at=None,
        correlation_attribute=correlation,
        received_monotonic=time.monotonic() if received_monotonic is None else received_monotonic,
    )


def assessment_body(**changes: object) -> JsonObject:
    """The backend's assessment message."""
    body: JsonObject = {
        "job_id": "job-0001",
        "s3_input_key": "uploads/job-0001/boundary.zip",
        "developer_email": "builder@example.com",
        "submitted_at": "2026-07-01T09:30:00Z",
        "development_name": "Mill Lane",
        "dwelling_type": "house",
        "number_of_dwellings": 25,
        "assessment_type": "nutrient",
    }
    return body | changes


def job_body(**changes: object) -> JsonObject:
    """The same request as a message that names its job type."""
    body = assessment_body() | {"jobType": "impact-assessment", "jobId": "job-0001"}
    del body["job_id"]
    return body | changes


def quote_body(**changes: object) -> JsonObject:
    """The backend's quote message, with the newest names."""
    body: JsonObject = {
        "reference": "NRF-000001",
        "boundaryGeojson": {
            "boundaryGeometryOriginal": {
                "type": "Polygon",
                "coordinates": [
                    [
                        [620000.0, 310000.0],
                        [620100.0, 310000.0],
                        [620100.0, 310100.0],
                        [620000.0, 310100.0],
                        [620000.0, 310000.0],
                    ]
                ],
            },
            "intersectingEdps": [{"label": "The Broads", "n2k_site_name": "The Broads SAC"}],
        },
        "housingUnits": 25,
        "developmentTypes": ["housing"],
        "traceId": "trace-0001",
    }
    return body | changes


def sns_notification(inner: object, *, correlation: str | None = None) -> JsonObject:
    """An SNS notification as SQS carries it when raw delivery is off."""
    notification: JsonObject = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:eu-west-2:000000000000:nrf-quote-estimate-request",
        "Message": inner if isinstance(inner, str) else json.dumps(inner),
        "Timestamp": "2026-07-01T09:30:00.000Z",
    }
    if correlation is not None:
        notification["MessageAttributes"] = {
            "CorrelationId": {"Type": "String", "Value": correlation}
        }
    return notification
