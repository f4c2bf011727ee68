"""How the soak's workers behaved: how they ended, and what they cost their messages."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.fakes.sqs_queue import Accident
from tests.soak.audit import Findings
from tests.soak.chaos import AWAY, CUT, KILLED, PAUSED, STOPPED
from tests.soak.fleet import MOST_AT_ONCE, Fleet
from tests.soak.plan import Plan
from worker.errors import EX_OK, EX_UNAVAILABLE

# The queue answers that a worker is not given: what they bring is received by nobody.
_LOST_RECEIVES = "SQS ReceiveMessage answers lost"


def watch(plan: Plan, fleet: Fleet, happened: Counter[str], redriven: int, to: Findings) -> None:
    """Note every end and every stranded message that no fault of the soak explains."""
    _watch_exits(plan, fleet, happened, redriven, to)
    stranded = most_stranded(happened)
    to.expect_none(f"messages stranded, at most {stranded} can be", _beyond(redriven, stranded))
    to.expect_none("busy messages released for less than the lease", _impatient(fleet))


def most_stranded(happened: Mapping[str, int]) -> int:
    """So many messages can use up their receives without an end.

    That takes three receives. The faults have to cost a message two of them: one that ends or
    holds up a worker costs each message that it holds a receive, and two workers hold
    ``MOST_AT_ONCE`` + 1; a message that is handed out once more costs one, as does a request that
    the backend or Notify does not answer.
    """
    counts = Counter(happened)
    one_worker = counts[KILLED] + counts[STOPPED] + counts[PAUSED] + counts[_LOST_RECEIVES]
    cost = one_worker * MOST_AT_ONCE + (counts[CUT] + counts[AWAY]) * (MOST_AT_ONCE + 1)
    cost += sum(counts[accident] for accident in Accident)
    cost += sum(times for name, times in counts.items() if name.startswith("Soak"))
    return cost // 2


def _watch_exits(
    plan: Plan, fleet: Fleet, happened: Counter[str], redriven: int, to: Findings
) -> None:
    to.expect_none("workers that did not end when they were told to", _beyond(fleet.hung, 0))
    most = {
        EX_OK: happened[STOPPED] + len(fleet.members),
        # A poisoned job ends two workers, and two more if it was stranded in between.
        -9: happened[KILLED] + 2 * len(plan.poison) + 2 * redriven,
        # One that starts just when the database is away.
        EX_UNAVAILABLE: (happened[AWAY] + happened[CUT]) * len(fleet.members),
    }
    for code, times in fleet.exits.items():
        allowed = most.get(code, 0)
        to.expect_none(f"exits with {code}, at most {allowed} can be", _beyond(times, allowed))


def _beyond(number: int, most: int) -> list[int]:
    return [number] if number > most else []


def _impatient(fleet: Fleet) -> Iterator[str]:
    """Messages that were to come back before the lease that they were told of could end."""
    for member in fleet.members:
        busy: dict[str, float] = {}
        for line in _lines(member.log, "message.received", "job.busy", "message.released"):
            trace = str(line["correlation_id"])
            if line["message"] == "message.received":
                # What was not released, because its receipt was stale, says nothing of this time.
                busy.pop(trace, None)
            elif line["message"] == "job.busy":
                busy[trace] = float(str(line["lease_remaining_s"]))
            elif float(str(line["delay_s"])) < busy.pop(trace, 0.0):
                yield trace


def _lines(log: Path, *events: str) -> Iterator[Mapping[str, object]]:
    with log.open(encoding="utf-8") as lines:
        for text in lines:
            if any(f'"{event}"' in text for event in events):
                yield json.loads(text)
