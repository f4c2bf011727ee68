"""Writes the JSON Schemas of accepted messages: ``python -m worker.jobs.schemas docs/schemas``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from worker.jobs.annual_review import BatchRequest, WorkerRequest
from worker.jobs.payloads import AssessmentJob, AssessmentRequest, QuoteRequest
from worker.jobs.reference_load import ReferenceLoadRequest
from worker.jobs.water_export import WaterExportRequest
from worker.jobs.water_workflow import LicenceUpdatesRequest, TimeLimitedRequest
from worker.reference.manifest import Manifest
from worker.water.export_manifest import ExportManifest

_FILES: dict[str, type[BaseModel]] = {
    "impact-assessment.job.json": AssessmentJob,
    "impact-assessment.assessment.json": AssessmentRequest,
    "impact-assessment.quote.json": QuoteRequest,
    "reference.load.job.json": ReferenceLoadRequest,
    "reference.manifest.json": Manifest,
    "lists.annual-review.batch.job.json": BatchRequest,
    "lists.annual-review.worker.job.json": WorkerRequest,
    "water.export.job.json": WaterExportRequest,
    "water.export.manifest.json": ExportManifest,
    "water.licence-updates.job.json": LicenceUpdatesRequest,
    "water.time-limited.job.json": TimeLimitedRequest,
}


class _WithoutTitles(GenerateJsonSchema):
    """Titles only repeat the names of the fields."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def schemas() -> dict[str, str]:
    """File name and text of each schema."""
    return {
        name: json.dumps(
            {"$schema": "https://json-schema.org/draft/2020-12/schema"}
            | model.model_json_schema(schema_generator=_WithoutTitles),
            indent=2,
        )
        + "\n"
        for name, model in _FILES.items()
    }


def write_schemas(directory: Path) -> None:
    """Write every schema into ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
