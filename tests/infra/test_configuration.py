"""The configuration of a stage: merged, checked, and refused with a line for each reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.templates import OVERLAY, Templates, run_app
from tests.fakes.worker_task import variables

EX_CONFIG = 78


def refused(tmp_path: Path, overlay: str, stage: str = "dev") -> str:
    """What the app says to a private configuration that it does not take."""
    folder = tmp_path / "private"
    folder.mkdir()
    (folder / f"{stage}.yaml").write_text(overlay)
    output = tmp_path / "out"
    done = run_app("--stage", stage, "--config-dir", str(folder), "--output", str(output))
    assert done.returncode == EX_CONFIG, done.stderr
    assert not list(output.glob("*.template.json"))
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        ("queue: {visibilty_timeout_seconds: 30}", "queue.visibilty_timeout_seconds: Extra inputs"),
        ("que: {}", "que: Extra inputs"),
        ("queue: {dead_letter_retention_days: 4}", "has to be longer than retention_days"),
        ("service: {stop_timeout_seconds: 100}", "stop_timeout_seconds has to be 15 s longer"),
        ("service: {stop_timeout_seconds: 121}", "less than or equal to 120"),
        ("service: {memory_mib: 4000}", "Fargate has no task of cpu 1024 and 4000 MiB"),
        ("service: {max_rss_mb: 4000}", "do not fit into memory_mib"),
        ('service: {user: "0:0"}', "service.user"),
        ("image: {tag: latest}", "not latest"),
        ("backend: {base_url: 'http://backend'}", "backend.base_url"),
        ("network: {create: null}", "exactly one of create and existing"),
        ("database: {authentication: password}", "authentication has to be iam with create"),
        ("secret: {kms_key: 'arn:aws:kms:eu-west-2:1:key/k'}", "kms_key belongs to arn"),
        ("schedules: {jobs: {night: {job_type: water.nothing, at: '01:00'}}}", "water.nothing"),
        ("schedules: {jobs: {night: {job_type: water.export, at: 10:50}}}", "night.at"),
        ("variables: {BACKEND_API_KEY: secret}", "in variables and in secret.variables"),
        ("variables: {AWS_EMF_SERVICE_NAME: other}", "AWS_EMF_SERVICE_NAME: is set by the stack"),
        ("environment: production", "environment"),
        ("queue: {retention_days: 3, retention_days: 4}", "retention_days comes twice"),
        ("- queue", "not a mapping"),
        ("queue: [", "while parsing"),
    ],
)
def test_what_cannot_be_deployed_is_refused_by_name(
    tmp_path: Path, overlay: str, said: str
) -> None:
    assert said in refused(tmp_path, overlay)


def test_all_reasons_are_told_at_once(tmp_path: Path) -> None:
    said = refused(tmp_path, "queue: {max_receive_count: 0}\nimage: {tag: latest}\n")

    assert "queue.max_receive_count" in said
    assert "image" in said


@pytest.mark.parametrize("stage", ["base", "staging"])
def test_an_unknown_stage_names_those_that_are_known(tmp_path: Path, stage: str) -> None:
    done = run_app("--stage", stage, "--output", str(tmp_path))

    assert done.returncode == EX_CONFIG
    assert "known are dev, prod" in done.stderr


def test_a_private_folder_without_a_file_for_the_stage_is_a_mistake(tmp_path: Path) -> None:
    done = run_app("--stage", "dev", "--config-dir", str(tmp_path), "--output", str(tmp_path))

    assert done.returncode == EX_CONFIG
    assert "neither base.yaml nor dev.yaml" in done.stderr


def test_a_deployment_can_refuse_values_that_only_stand_for_real_ones(tmp_path: Path) -> None:
    done = run_app("--stage", "dev", "--no-examples", "--output", str(tmp_path / "out"))

    assert done.returncode == EX_CONFIG
    assert "input_bucket.name" in done.stderr
    assert "notify.template_job_failed" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_files_are_laid_over_each_other(private: Templates) -> None:
    # base.yaml, then prod.yaml, then base.yaml and prod.yaml of the private folder.
    assert (OVERLAY / "base.yaml").is_file()
    jobs = private.only("SQS::Queue", QueueName="nrf-worker-prod-jobs")

    assert jobs["VisibilityTimeout"] == 300
    assert private.only("ECS::TaskDefinition")["Cpu"] == "2048"
    told = variables(private)
    assert told["S3_INPUT_BUCKET"] == "nrf-uploads"
    assert told["DB_HOST"] == "postgis.internal.nrf.uk"
    # What a null has taken away.
    assert private.every("Scheduler::Schedule") == []
