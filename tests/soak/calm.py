"""``python -m tests.soak.calm``: what comes of the soak's requests when nothing goes wrong.

Reads a JSON list of bodies and writes a list of ``Calm``s; nothing is claimed, stored or sent.
Imports nothing of the worker at the top, as ``soaked_worker``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tests.soak.fleet import inherited

if TYPE_CHECKING:
    from tests.fakes.environment import Environment
    from tests.soak.plan import Planned


@dataclass(frozen=True, slots=True)
class Calm:
    """A result, and for a quote the body that goes to the backend with it."""

    result: object
    patch: object


def calmly(planned: Iterable[Planned], environment: Environment) -> Mapping[str, Calm]:
    """By ``Planned.request``: what has to come of it, computed once in a process of its own."""
    bodies = {one.request: one.body for one in planned}
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak.calm"],
        env={**inherited(), **environment.variables()},
        input=json.dumps(list(bodies.values())),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    found = (Calm(**one) for one in json.loads(done.stdout))
    return dict(zip(bodies, found, strict=True))


def _compute(bodies: Sequence[str]) -> Iterator[Calm]:
    from tests.fakes.messages import message
    from worker import job_types
    from worker.boundary.sandbox import Sandbox
    from worker.clients.db import Database
    from worker.clients.s3 import BoundaryStore
    from worker.jobs.context import Interruption, JobContext
    from worker.jobs.deliveries import QuotePatchDelivery
    from worker.jobs.notices import Notices
    from worker.queue.envelope import open_envelope
    from worker.reference.versions import active_versions
    from worker.settings import Settings

    settings = Settings.load()
    store, notices = BoundaryStore(settings.aws), Notices(settings.notify)
    with (
        Database.from_settings(settings) as database,
        Sandbox(settings.boundary, settings.gcn) as sandbox,
    ):
        registry = job_types.registry(settings, database, store, sandbox, notices)
        with database.connection() as connection:
            versions = active_versions(connection)
        for body in bodies:
            limit = settings.queue.sqs_max_body_bytes
            envelope = open_envelope(message(body), max_body_bytes=limit)
            job_type = registry.find(envelope.job_type)
            assert job_type is not None, envelope.job_type
            job = job_type.accept(envelope)
            output = job.run(JobContext(job.key, versions, Interruption()))
            patches = [
                one.payload["body"]
                for one in output.deliveries
                if one.kind == QuotePatchDelivery.kind
            ]
            yield Calm(output.result, patches[0] if patches else None)


def main() -> None:
    from worker import logs
    from worker.settings import RuntimeSettings

    logs.configure(RuntimeSettings(log_level="error"), stream="stderr")
    print(json.dumps([asdict(one) for one in _compute(json.loads(sys.stdin.read()))]))


if __name__ == "__main__":
    main()
