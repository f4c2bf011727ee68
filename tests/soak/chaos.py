"""What happens to the soak's queue, workers and database, drawn from a seed as messages are done.

Every event stands for rows of the fault matrix. A worker is stopped before it is killed, paused or
cut off, and spared if it runs a job that has lost an owner before: two such losses make a job
poison, rightly, and the soak has to know which jobs are.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from tests.fakes.sqs_server import INTERNAL_ERROR, OVER_LIMIT, THROTTLED, SqsServer
from tests.soak.fleet import Fleet, Member
from tests.soak.services import effect
from worker.demo.fake_service import LOST_REPLY, Misbehaviour
from worker.demo.postgis import DatabaseServer

# Fault and share of the calls of SQS that meet it.
_SQS = (
    (INTERNAL_ERROR, 0.004),
    (THROTTLED, 0.003),
    (OVER_LIMIT, 0.002),
    (LOST_REPLY, 0.003),
    (Misbehaviour(drop=True), 0.002),
    (Misbehaviour(delay_s=0.5), 0.005),
)

KILLED, STOPPED, PAUSED = "worker killed", "worker told to stop", "worker paused"
CUT, AWAY = "connections cut", "database away"

# Name, what makes it happen (and says whether it did), how often it happens among the others. One
# without a name asks the queue for something, which counts it.
_Event = tuple[str | None, Callable[[], bool], int]

_OPEN_JOBS_THAT_LOST_AN_OWNER = """
-- One row: how many attempts are under way of jobs that have lost an owner before.
SELECT count(*)
FROM jobs.assignment AS o
WHERE o.completed_at IS NULL
    AND EXISTS (SELECT FROM jobs.assignment AS e
                WHERE e.job_id = o.job_id AND e.outcome = 'expired')
"""


class Chaos:
    """Makes things happen when ``done`` messages make them due; ``happened`` counts them.

    What is asked of the queue counts when it comes about, so that it is known at the end only.
    """

    def __init__(
        self,
        fleet: Fleet,
        double: SqsServer,
        queue_url: str,
        postgis: DatabaseServer,
        database_url: str,
        *,
        seed: int,
        every: int,
        pause_s: float,
    ) -> None:
        self._fleet = fleet
        self._double = double
        self._queue_url = queue_url
        self._postgis = postgis
        self._database_url = database_url
        self._database = database_url.rpartition("/")[2]
        self._chance = random.Random(seed)
        self._calls = random.Random(seed + 1)
        self._every = every
        self._pause_s = pause_s
        self._due_at = every
        self.happened: Counter[str] = Counter()
        self._events: tuple[_Event, ...] = (
            (KILLED, self._kill, 6),
            (STOPPED, self._stop, 3),
            (PAUSED, self._pause, 2),
            (CUT, self._cut, 5),
            (AWAY, self._outage, 1),
            (None, self._twice, 5),
            (None, self._undelete, 4),
        )
        # A small soak meets every event once.
        self._next = self._shuffled(each=1)
        double.chaos = self._fault_of_sqs

    def end(self) -> None:
        """From now on nothing goes wrong but what is poisoned."""
        self._double.chaos = lambda _: None
        for accident, times in self._double.no_more_accidents(self._queue_url).items():
            self.happened[accident.value] = times

    def after(self, done: int) -> None:
        """Let the next thing happen if it is due when so many messages are done."""
        if done < self._due_at:
            return
        name, happen, _ = self._next[-1]
        # What would cost a job its second owner is tried again at the next look.
        if happen():
            if name is not None:
                self.happened[name] += 1
            self._due_at += self._every
            self._next.pop()
        if not self._next:
            self._next = self._shuffled()

    def _shuffled(self, *, each: int | None = None) -> list[_Event]:
        """So many of each event, or as many as its weight says, in an order of chance."""
        deck = [event for event in self._events for _ in range(each or event[2])]
        self._chance.shuffle(deck)
        return deck

    def _fault_of_sqs(self, operation: str) -> Misbehaviour | None:
        left = self._calls.random()
        for fault, share in _SQS:
            left -= share
            if left < 0:
                self.happened[f"SQS {operation} {effect(fault)}"] += 1
                return fault
        return None

    def _kill(self) -> bool:
        member = self._chance.choice(self._fleet.members)
        with self._standing_still(member) as may_lose:
            if may_lose:
                member.signal(signal.SIGKILL)
            return may_lose

    def _stop(self) -> bool:
        return self._chance.choice(self._fleet.members).tell_to_end()

    def _pause(self) -> bool:
        member = self._chance.choice(self._fleet.members)
        with self._standing_still(member) as may_lose:
            # Between its last look at the clock and the request nothing can keep an e-mail from
            # being sent twice: docs/faults.md, row 3.
            may_pause = may_lose and not member.is_sending_email()
            if may_pause:
                # Longer than its lease and its claim of a delivery: it wakes up as a zombie.
                time.sleep(self._pause_s)
            return may_pause

    def _cut(self) -> bool:
        with self._standing_still(*self._fleet.members) as may_lose:
            if may_lose:
                self._disconnect()
            return may_lose

    def _outage(self) -> bool:
        try:
            with self._standing_still(*self._fleet.members) as may_lose:
                if not may_lose:
                    return False
                self._accept_connections(False)
                self._disconnect()
            time.sleep(self._chance.uniform(1, 4))
            return True
        finally:
            self._accept_connections(True)

    def _twice(self) -> bool:
        self._double.deliver_twice(self._queue_url, self._chance.randrange(1, 5))
        return True

    def _undelete(self) -> bool:
        self._double.undelete(self._queue_url, self._chance.randrange(1, 5))
        return True

    @contextmanager
    def _standing_still(self, *members: Member) -> Iterator[bool]:
        """The workers do nothing inside the block; yields whether one may lose its job."""
        for member in members:
            member.signal(signal.SIGSTOP)
        try:
            # What they have asked of the database is carried out by then.
            time.sleep(0.1)
            with psycopg.connect(self._database_url) as connection:
                row = connection.execute(_OPEN_JOBS_THAT_LOST_AN_OWNER.encode()).fetchone()
            yield row == (0,)
        finally:
            for member in members:
                member.signal(signal.SIGCONT)

    def _disconnect(self) -> None:
        with self._administer() as connection:
            connection.execute(
                b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                (self._database,),
            )

    def _accept_connections(self, accept: bool) -> None:
        with self._administer() as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}").format(
                    sql.Identifier(self._database), sql.Literal(accept)
                )
            )

    def _administer(self) -> psycopg.Connection:
        return psycopg.connect(self._postgis.url("postgres"), autocommit=True)
