"""Uploads made to kill what reads them, sent to the real worker."""

from __future__ import annotations

from tests.fakes.boundaries import geojson, polygon, strips
from tests.fakes.environment import FAILED, Environment
from tests.fakes.submissions import put_site, request


def costly_site() -> bytes:
    """A small file of much work: strips across strips, which enclose 250,000 holes."""
    return geojson(*map(polygon, strips(500)))


def test_a_file_that_kills_its_parser_fails_for_good_and_the_next_job_runs(
    environment: Environment,
) -> None:
    environment.aws.s3.put_object(
        Bucket=environment.bucket, Key="job-1/site.zip", Body=costly_site()
    )
    put_site(environment, "job-2/site.zip")
    environment.send(request())
    with environment.worker(BOUNDARY_CPU_SECONDS="1") as worker:
        failed = worker.wait_for("job.failed", job_id="job-1")
        environment.send(request("job-2"))
        worker.wait_for("job.succeeded", job_id="job-2")
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")
        worker.wait_until(lambda: "job-2" in environment.backend.results, "result")

    assert failed["error_code"] == "boundary_unreadable"
    assert worker.events("sandbox.child_failed")
    assert len(worker.events("job.claimed", job_id="job-1")) == 1, "it is not tried again"
    assert [one.template_id for one in environment.notify.sent].count(FAILED) == 1
