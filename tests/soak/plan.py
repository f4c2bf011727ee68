"""What the soak sends, and how each message has to end: decided by a seed, before anything runs."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

# A payload with so many people ends the process that works on it; see ``soaked_worker``.
POISON_PEOPLE = 666_666
SITE_KEY = "soak/site.zip"
# A corner of a hectare in a catchment of the generated reference data.
SITE_EAST, SITE_NORTH = 455_000.0, 262_000.0

# Shares of the messages; the rest are quotes that nothing is wrong with.
_SHARES = {
    "duplicate": 0.05,
    "file": 0.02,
    "mismatch": 0.01,
    "invalid": 0.03,
    "broken": 0.02,
    "unknown": 0.01,
    "poison": 0.001,
}


class End(StrEnum):
    """How a message has to end."""

    DONE = "done"
    DEAD = "dead"
    # Of two messages with one job id and two payloads, one is done and the other dead.
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Planned:
    """One message; ``trace`` finds it again, ``job`` is the job id or quote reference it names."""

    trace: str
    body: str
    end: End
    kind: str
    job: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Every message, in the order in which they are sent."""

    messages: tuple[Planned, ...]
    unknown_quotes: frozenset[str]

    @property
    def quotes(self) -> frozenset[str]:
        """References of quotes whose result has to reach the backend."""
        return frozenset(
            one.job for one in self.messages if one.job and one.kind in {"quote", "duplicate"}
        )

    @property
    def files(self) -> frozenset[str]:
        """Ids of jobs with a file, whose result and e-mail have to arrive."""
        return frozenset(
            one.job for one in self.messages if one.job and one.kind in {"file", "mismatch"}
        )

    @property
    def poison(self) -> frozenset[str]:
        return frozenset(one.job for one in self.messages if one.job and one.kind == "poison")

    def counted(self) -> Counter[str]:
        return Counter(one.kind for one in self.messages)


def plan(messages: int, seed: int) -> Plan:
    """So many messages; each kind is there at least once."""
    chance = random.Random(seed)
    numbers = iter(range(1, messages + 1))
    made: list[Planned] = []
    unknown: set[str] = set()
    for kind, share in _SHARES.items():
        for _ in range(max(1, round(messages * share))):
            if kind != "duplicate":
                made += _planned(kind, next(numbers), chance)
    unknown.update(one.job for one in made if one.kind == "unknown" and one.job)
    duplicates = max(1, round(messages * _SHARES["duplicate"]))
    while len(made) + duplicates < messages:
        made += _planned("quote", next(numbers), chance)
    chance.shuffle(made)
    originals = [one for one in made if one.kind == "quote"]
    for number in range(duplicates):
        again = chance.choice(originals)
        twin = Planned(f"soak-again-{number}", again.body, End.DONE, "duplicate", again.job)
        made.insert(chance.randrange(len(made) + 1), twin)
    return Plan(tuple(made), frozenset(unknown))


def _planned(kind: str, number: int, chance: random.Random) -> Iterator[Planned]:
    trace, reference, job_id = f"soak-{number}", f"NRF-{number:06}", f"soak-job-{number}"
    match kind:
        case "quote":
            yield Planned(trace, _quote(reference, chance), End.DONE, kind, reference)
        case "unknown":
            yield Planned(trace, _quote(reference, chance), End.DEAD, kind, reference)
        case "broken":
            body = _quote(reference, chance, broken=True)
            yield Planned(trace, body, End.DEAD, kind, reference)
        case "poison":
            body = _quote(reference, chance, peopleCount=POISON_PEOPLE)
            yield Planned(trace, body, End.DEAD, kind, reference)
        case "file":
            yield Planned(trace, _file(job_id, 60), End.DONE, kind, job_id)
        case "mismatch":
            yield Planned(trace, _file(job_id, 60), End.EITHER, kind, job_id)
            yield Planned(f"{trace}-other", _file(job_id, 61), End.EITHER, kind, job_id)
        case _:
            yield Planned(trace, _invalid(number, chance), End.DEAD, "invalid", None)


def _quote(
    reference: str, chance: random.Random, *, broken: bool = False, **changes: object
) -> str:
    east = SITE_EAST + chance.randrange(0, 400)
    north = SITE_NORTH + chance.randrange(0, 400)
    corners = [(0, 0), (0, 60), (60, 60), (60, 0)]
    if broken:
        # The sides cross.
        corners[2:] = [(60, 0), (60, 60)]
    ring = [[east + x, north + y] for x, y in (*corners, corners[0])]
    body: Mapping[str, object] = {
        "reference": reference,
        "boundaryGeojson": {
            "boundaryGeometryOriginal": {"type": "Polygon", "coordinates": [ring]},
            "intersectingEdps": [],
        },
        "housingUnits": chance.randrange(1, 300),
        **changes,
    }
    return json.dumps(body)


def _file(job_id: str, dwellings: int) -> str:
    return json.dumps(
        {
            "job_id": job_id,
            "s3_input_key": SITE_KEY,
            "developer_email": f"{job_id}@example.com",
            "development_name": "Mill Lane",
            "dwelling_type": "house",
            "number_of_dwellings": dwellings,
            "assessment_type": "nutrient",
        }
    )


def _invalid(number: int, chance: random.Random) -> str:
    return chance.choice(
        (
            f"{{{number}",
            f"[{number}]",
            json.dumps({"unheard-of": number}),
            json.dumps({"jobType": "unheard-of", "jobId": f"soak-{number}"}),
            json.dumps({"jobType": "impact-assessment", "jobId": "../x"}),
            "[" * 3000 + "]" * 3000,
        )
    )
