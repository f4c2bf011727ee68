"""What a job type is to the worker, and the explicit tuple of those that it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from worker.errors import WorkerError
from worker.jobs.context import JobContext
from worker.ledger.models import JsonObject, NewDelivery
from worker.queue.envelope import Envelope


@dataclass(frozen=True, slots=True)
class JobOutput:
    """What a job has computed: its result and what has to be delivered, in this order."""

    result: JsonObject
    deliveries: tuple[NewDelivery, ...] = ()


class Job(Protocol):
    """One validated request, ready to run."""

    @property
    def type(self) -> str:
        """Name of the job type."""

    @property
    def key(self) -> str:
        """What identifies the job: the same for every copy of the same request."""

    @property
    def payload_hash(self) -> str:
        """Hash of the validated payload, without what may differ between copies."""

    @property
    def payload(self) -> JsonObject:
        """The validated payload, as it is stored."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Reference layers without which the job cannot run."""

    @property
    def optional_layers(self) -> tuple[str, ...]:
        """Layers that are used when they are loaded."""

    def run(self, context: JobContext) -> JobOutput:
        """Compute; raises PermanentError, TransientError or Interrupted. Sends nothing."""

    def started(self) -> tuple[NewDelivery, ...]:
        """What is sent once when the job is first claimed."""

    def failed(self, error: WorkerError) -> tuple[NewDelivery, ...]:
        """What is sent once when the job has failed for good."""


class JobType(Protocol):
    """How messages of one type become jobs."""

    @property
    def name(self) -> str:
        """The name in ``jobType`` and in WORKER_JOB_TYPES."""

    @property
    def layer_sets(self) -> tuple[tuple[str, ...], ...]:
        """Sets of reference layers: without all of one of them, no job of this type can run."""

    def accept(self, envelope: Envelope) -> Job:
        """Validate the message; raises MessageError."""


@dataclass(frozen=True, slots=True)
class Registry:
    """The job types that this worker runs."""

    types: tuple[JobType, ...]

    def find(self, name: str) -> JobType | None:
        """The job type of that name, if this worker runs it."""
        return next((one for one in self.types if one.name == name), None)
