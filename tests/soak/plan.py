"""What the soak sends, and how each message has to end: decided by a seed, before anything runs."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

# A payload with so many people ends the process that works on it; see ``soaked_worker``.
POISON_PEOPLE = 666_666
# One with so many takes long enough for somebody else to find it busy.
SLOW_PEOPLE = 555_555
SITE_KEY = "soak/site.zip"
# A corner of a hectare in a catchment of the generated reference data.
SITE_EAST, SITE_NORTH = 455_000.0, 262_000.0
# Quotes ask for so many different things, each of which is computed in peace as well.
_REQUESTS = 40
_IDENTITIES = ("reference", "job_id", "developer_email")

# Shares of the messages; the rest are quotes that nothing is wrong with.
_SHARES = {
    "duplicate": 0.05,
    "file": 0.02,
    "mismatch": 0.01,
    "invalid": 0.03,
    "broken": 0.02,
    "unknown": 0.01,
    "poison": 0.001,
    "slow": 0.003,
}
_LEAST_SLOW = 5


class End(StrEnum):
    """How a message has to end."""

    DONE = "done"
    DEAD = "dead"
    # Of two messages with one job id and two payloads, one is done and the other dead.
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Planned:
    """One message; ``trace`` finds it again, ``job`` is the job id or quote reference it names.

    ``code``: the error that its job or, of two that contradict each other, the refused one has.
    """

    trace: str
    body: str
    end: End
    kind: str
    job: str | None
    code: str | None = None

    @property
    def name(self) -> str:
        """What its job is found by: a message that is no job has its trace."""
        return self.job or self.trace

    @property
    def request(self) -> str:
        """What it asks for, whoever asks: the same for every message with the same result."""
        body = json.loads(self.body)
        return json.dumps({name: body[name] for name in sorted(body) if name not in _IDENTITIES})


@dataclass(frozen=True, slots=True)
class Plan:
    """Every message, in the order in which they are sent."""

    messages: tuple[Planned, ...]
    unknown_quotes: frozenset[str]

    @property
    def quotes(self) -> frozenset[str]:
        """References of quotes whose result has to reach the backend."""
        return frozenset(
            one.job
            for one in self.messages
            if one.job and one.kind in {"quote", "slow", "duplicate"}
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

    @property
    def computed(self) -> tuple[Planned, ...]:
        """The messages that have a result, or would have if another had not come first."""
        kinds = {"quote", "slow", "duplicate", "unknown", "file", "mismatch"}
        return tuple(one for one in self.messages if one.kind in kinds)

    def counted(self) -> Counter[str]:
        return Counter(one.kind for one in self.messages)


def plan(messages: int, seed: int) -> Plan:
    """So many messages; each kind is there at least once."""
    chance = random.Random(seed)
    sites = [_site(chance) for _ in range(_REQUESTS)]
    numbers = iter(range(1, messages + 1))
    made: list[Planned] = []
    unknown: set[str] = set()
    for kind, share in _SHARES.items():
        least = _LEAST_SLOW if kind == "slow" else 1
        for _ in range(max(least, round(messages * share))):
            if kind != "duplicate":
                made += _planned(kind, next(numbers), chance, sites)
    unknown.update(one.job for one in made if one.kind == "unknown" and one.job)
    duplicates = max(1, round(messages * _SHARES["duplicate"]))
    slow = [one for one in made if one.kind == "slow"]
    while len(made) + duplicates + len(slow) < messages:
        made += _planned("quote", next(numbers), chance, sites)
    chance.shuffle(made)
    originals = [one for one in made if one.kind == "quote"]
    for number in range(duplicates):
        again = chance.choice(originals)
        twin = Planned(f"soak-again-{number}", again.body, End.DONE, "duplicate", again.job)
        made.insert(chance.randrange(len(made) + 1), twin)
    for number, one in enumerate(slow):
        # Right behind it, so that the other worker gets it while the first is at work.
        twin = Planned(f"soak-busy-{number}", one.body, End.DONE, "duplicate", one.job)
        made.insert(made.index(one) + 1, twin)
    return Plan(tuple(made), frozenset(unknown))


@dataclass(frozen=True, slots=True)
class _Site:
    east: float
    north: float
    units: int


def _site(chance: random.Random) -> _Site:
    east, north = SITE_EAST + chance.randrange(0, 400), SITE_NORTH + chance.randrange(0, 400)
    return _Site(east, north, chance.randrange(1, 300))


def _planned(
    kind: str, number: int, chance: random.Random, sites: Sequence[_Site]
) -> Iterator[Planned]:
    trace, reference, job_id = f"soak-{number}", f"NRF-{number:06}", f"soak-job-{number}"
    site = chance.choice(sites)
    match kind:
        case "quote":
            yield Planned(trace, _quote(reference, site), End.DONE, kind, reference)
        case "slow":
            body = _quote(reference, site, peopleCount=SLOW_PEOPLE)
            yield Planned(trace, body, End.DONE, kind, reference)
        case "unknown":
            body = _quote(reference, site)
            yield Planned(trace, body, End.DEAD, kind, reference, "backend_unknown_quote")
        case "broken":
            body = _quote(reference, site, broken=True)
            yield Planned(trace, body, End.DEAD, kind, reference, "geometry_invalid")
        case "poison":
            body = _quote(reference, site, peopleCount=POISON_PEOPLE)
            yield Planned(trace, body, End.DEAD, kind, reference, "job_poison")
        case "file":
            yield Planned(trace, _file(job_id, 60), End.DONE, kind, job_id)
        case "mismatch":
            for one, dwellings in ((trace, 60), (f"{trace}-other", 61)):
                body = _file(job_id, dwellings)
                yield Planned(one, body, End.EITHER, kind, job_id, "payload_mismatch")
        case _:
            body, code = _invalid(number, chance)
            yield Planned(trace, body, End.DEAD, "invalid", None, code)


def _quote(reference: str, site: _Site, *, broken: bool = False, **changes: object) -> str:
    corners = [(0, 0), (0, 60), (60, 60), (60, 0)]
    if broken:
        # The sides cross.
        corners[2:] = [(60, 0), (60, 60)]
    ring = [[site.east + x, site.north + y] for x, y in (*corners, corners[0])]
    body: Mapping[str, object] = {
        "reference": reference,
        "boundaryGeojson": {
            "boundaryGeometryOriginal": {"type": "Polygon", "coordinates": [ring]},
            "intersectingEdps": [],
        },
        "housingUnits": site.units,
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


def _invalid(number: int, chance: random.Random) -> tuple[str, str]:
    """A body that is no request, and the code that it is refused with."""
    return chance.choice(
        (
            (f"{{{number}", "message_not_json"),
            (f"[{number}]", "message_not_object"),
            (json.dumps({"unheard-of": number}), "message_unrecognised"),
            (
                json.dumps({"jobType": "unheard-of", "jobId": f"soak-{number}"}),
                "job_type_unknown",
            ),
            (json.dumps({"jobType": "impact-assessment", "jobId": "../x"}), "payload_invalid"),
            ("[" * 3000 + "]" * 3000, "message_too_deep"),
        )
    )
