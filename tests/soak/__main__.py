"""``python -m tests.soak``: 10,000 messages, two workers, faults from a seed; see ``--help``."""

from __future__ import annotations

import argparse
import signal
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

import psycopg

from tests.fakes.environment import Environment
from tests.fakes.sqs_server import SqsServer
from tests.soak.plan import plan
from tests.soak.run import Outcome, Pace, Soak
from tests.soak.services import SoakBackend, SoakNotify
from worker import logs
from worker.demo.aws import AwsEmulator, create_queue_pair
from worker.demo.postgis import EmbeddedPostgis
from worker.migrations import runner
from worker.reference.generate import generate
from worker.reference.load import load_directory
from worker.settings import RuntimeSettings

# Generated cells of the reference data: jobs are to be cheap.
_CELLS = 2_000


def main() -> int:
    """0 if every promise was kept, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7, help="of the messages and of the faults")
    parser.add_argument("--minutes", type=float, default=58, help="give up after so long")
    parser.add_argument("--logs", type=Path, help="keep the workers' logs in this folder")
    given = parser.parse_args()
    logs.configure(RuntimeSettings(log_level="error"), stream="stderr")
    # Its workers end with it: also when it is told to stop.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupted)
    pace = Pace(
        every=100,
        lease_s=15,
        delivery_claim_s=20,
        backoff_s=1,
        limit_s=given.minutes * 60,
        say_each_s=10,
    )
    with tempfile.TemporaryDirectory(prefix="nrf-soak-") as directory:
        folder = given.logs or Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        outcome = _soak(given.messages, given.seed, pace, folder)
    return 1 if outcome.findings.violations else 0


def _interrupted(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _soak(messages: int, seed: int, pace: Pace, folder: Path) -> Outcome:
    with (
        EmbeddedPostgis() as postgis,
        AwsEmulator() as aws,
        SqsServer() as double,
        SoakBackend(seed) as backend,
        SoakNotify(seed) as notify,
    ):
        url = postgis.create_database("soak")
        runner.upgrade(url)
        _load_reference_data(url, seed)
        wanted = plan(messages, seed)
        backend.unknown_quotes |= wanted.unknown_quotes
        queue = create_queue_pair(double.client, "jobs")
        bucket = aws.create_bucket(f"soak-{uuid.uuid4().hex[:8]}")
        environment = Environment(url, aws, queue, bucket, backend, notify, double)
        soak = Soak(
            wanted,
            environment,
            backend,
            notify,
            postgis,
            seed=seed,
            pace=pace,
            logs=folder,
            say=lambda text: print(text, flush=True),
        )
        print(f"{messages} messages, seed {seed}: {_listed(wanted.counted())}", flush=True)
        outcome = soak.run()
    _print(messages, outcome)
    return outcome


def _load_reference_data(url: str, seed: int) -> None:
    with tempfile.TemporaryDirectory(prefix="nrf-soak-data-") as directory:
        generate(Path(directory), seed=seed, cells=_CELLS)
        with psycopg.connect(url) as connection:
            load_directory(connection, Path(directory), label="generated", loaded_by="soak")


def _print(messages: int, outcome: Outcome) -> None:
    findings = outcome.findings
    rows = {
        "messages": messages,
        "results": findings.results,
        "lost": findings.lost,
        "duplicates": findings.duplicates,
        "dead letters": findings.dead_letters,
        "e-mails": findings.emails,
        "stranded, redriven": outcome.redriven,
        "workers' exits": _exits(outcome.exits),
        "seconds": round(outcome.seconds),
    }
    print()
    for name, value in rows.items():
        print(f"{name:20} {value}")
    print(f"{'faults':20} {outcome.happened.total()}")
    for name, times in sorted(outcome.happened.items()):
        print(f"  {name:36} {times}")
    for violation in findings.violations:
        print(f"VIOLATED: {violation}")
    print("FAILED" if findings.violations else "every promise was kept")


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))


def _exits(codes: Mapping[int, int]) -> str:
    named = (f"{number} with {code}" for code, number in sorted(codes.items()))
    return ", ".join(named) or "none"


if __name__ == "__main__":
    raise SystemExit(main())
