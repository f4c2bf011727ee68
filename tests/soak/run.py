"""One soak: send all, let things go wrong, redrive what is stranded, look at what is left."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.fakes.boundaries import Shapefile, square
from tests.fakes.environment import Environment
from tests.soak.audit import Findings, audit
from tests.soak.calm import calmly
from tests.soak.chaos import Chaos
from tests.soak.fleet import Fleet, inherited
from tests.soak.plan import SITE_EAST, SITE_KEY, SITE_NORTH, Plan
from tests.soak.services import SoakBackend, SoakNotify
from tests.soak.watch import watch
from worker.demo.postgis import DatabaseServer

_LOOK_S = 0.2
_REDRIVES = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """``every``: messages from one event to the next; times in seconds."""

    every: int
    lease_s: int
    delivery_claim_s: int
    backoff_s: float
    limit_s: float
    say_each_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a soak found, what it did to the workers, and how long it took."""

    findings: Findings
    happened: Counter[str]
    exits: Counter[int]
    redriven: int
    seconds: float


class NotDone(Exception):
    """The messages were not done within the time that a soak may take."""


class Soak:
    """Runs ``plan`` in ``environment``, whose queue is the double's."""

    def __init__(
        self,
        plan: Plan,
        environment: Environment,
        backend: SoakBackend,
        notify: SoakNotify,
        postgis: DatabaseServer,
        *,
        seed: int,
        pace: Pace,
        logs: Path,
        say: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._environment = environment
        self._services = (backend, notify)
        self._postgis = postgis
        self._seed = seed
        self._pace = pace
        self._logs = logs
        self._say = say
        self._said_at = 0.0
        self._started = time.monotonic()

    def run(self) -> Outcome:
        """Raises nothing for what went wrong: ``findings`` say it."""
        environment = self._environment
        assert environment.double is not None
        site = Shapefile(shapes=((square(SITE_EAST, SITE_NORTH),),)).zipped()
        environment.aws.s3.put_object(Bucket=environment.bucket, Key=SITE_KEY, Body=site)
        calm = calmly(self._plan.computed, environment)
        self._send()
        redriven = 0
        late: list[str] = []
        with Fleet(self._variables(), self._logs) as fleet:
            chaos = Chaos(
                fleet,
                environment.double,
                environment.queue.url,
                self._postgis,
                environment.database_url,
                seed=self._seed,
                every=self._pace.every,
                pause_s=max(self._pace.lease_s, self._pace.delivery_claim_s) + 1,
            )
            try:
                self._drain(fleet, chaos)
                redriven = self._redrive_stranded()
                self._drain(fleet, None)
            except NotDone as error:
                late = [str(error)]
                self._end_chaos(chaos)
        for service in self._services:
            for effect, times in service.chances.drawn.items():
                chaos.happened[f"{type(service).__name__} {effect}"] = times
        findings = audit(self._plan, environment, calm)
        watch(self._plan, fleet, chaos.happened, redriven, findings)
        findings.violations = late + findings.violations
        took_s = time.monotonic() - self._started
        return Outcome(findings, chaos.happened, fleet.exits, redriven, took_s)

    def _variables(self) -> dict[str, str]:
        pace = self._pace
        return self._environment.variables(
            WORKER_LEASE_SECONDS=str(pace.lease_s),
            SQS_VISIBILITY_TIMEOUT=str(pace.lease_s + 5),
            WORKER_BACKOFF_BASE_SECONDS=str(pace.backoff_s),
            WORKER_SWEEP_INTERVAL_SECONDS="1",
            WORKER_CONFIGURATION_PAUSE_SECONDS="1",
            WORKER_GRACEFUL_SHUTDOWN_TIMEOUT="10",
            BACKEND_ACCEPTS_EMPTY_EDPS="false",
            SOAK_DELIVERY_CLAIM_SECONDS=str(pace.delivery_claim_s),
        )

    def _send(self) -> None:
        sqs, url = self._environment.sqs, self._environment.queue.url
        messages = self._plan.messages
        for first in range(0, len(messages), 10):
            answer = sqs.send_message_batch(
                QueueUrl=url,
                Entries=[
                    {
                        "Id": str(number),
                        "MessageBody": one.body,
                        "MessageAttributes": {
                            "CorrelationId": {"DataType": "String", "StringValue": one.trace}
                        },
                    }
                    for number, one in enumerate(messages[first : first + 10])
                ],
            )
            assert not answer.get("Failed"), answer

    def _drain(self, fleet: Fleet, chaos: Chaos | None) -> None:
        """Wait until no message is left and no delivery pending; chaos ends with the backlog."""
        calm = chaos is None
        while True:
            fleet.keep_running()
            visible, in_flight = self._backlog()
            if chaos is not None and not calm:
                chaos.after(len(self._plan.messages) - visible)
                if not visible:
                    self._end_chaos(chaos)
                    calm = True
            self._tell(visible, in_flight)
            if visible + in_flight == 0 and calm and not self._deliveries_pending():
                return
            if time.monotonic() - self._started > self._pace.limit_s:
                raise NotDone(
                    f"not done after {self._pace.limit_s:.0f} s:"
                    f" {visible} visible, {in_flight} in flight"
                )
            time.sleep(_LOOK_S)

    def _end_chaos(self, chaos: Chaos) -> None:
        chaos.end()
        for service in self._services:
            service.chances.on = False

    def _backlog(self, name: str = "jobs") -> tuple[int, int]:
        """Messages visible and in flight; the server's own count, since calls of it may fail."""
        double = self._environment.double
        assert double is not None
        with double.broker.queue(name) as queue:
            return queue.visible, queue.in_flight

    def _deliveries_pending(self) -> bool:
        query = "SELECT count(*) FROM jobs.delivery WHERE status = 'PENDING'"
        return self._environment.value(query) != 0

    def _redrive_stranded(self) -> int:
        """The command an operator gives; returns how many dead letters it has put back.

        It may be repeated at will, and is when a dependency did not answer it. Raises NotDone.
        """
        redriven = 0
        for _ in range(_REDRIVES):
            done = subprocess.run(
                [sys.executable, "-m", "worker", "dlq", "redrive", "--stranded"],
                env={**inherited(), **self._environment.variables()},
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
            redriven += sum(line.startswith("redriven ") for line in done.stdout.splitlines())
            if done.returncode == 0:
                return redriven
            self._say(f"worker dlq redrive ended with {done.returncode}: {done.stderr.strip()}")
        raise NotDone("worker dlq redrive --stranded did not succeed")

    def _tell(self, visible: int, in_flight: int) -> None:
        now = time.monotonic()
        if now - self._said_at < self._pace.say_each_s:
            return
        self._said_at = now
        total = len(self._plan.messages)
        results = self._results()
        self._say(
            f"{now - self._started:6.0f} s  {total - visible:6} of {total} received"
            f"  {in_flight:4} in flight  {results:6} results"
            f"  {sum(self._backlog('jobs-dlq')):4} dead letters"
        )

    def _results(self) -> int:
        try:
            return int(str(self._environment.value("SELECT count(*) FROM jobs.result")))
        except psycopg.OperationalError:
            # The database is away just now.
            return -1
