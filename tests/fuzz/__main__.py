"""Spoil boundary files for a while and see whether the reader keeps its promises: ``make fuzz``.

Files are read in a process of their own, which may crash or hang; a sample also goes through the
worker's real sandbox, which has to come to the same answer.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import re
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NoReturn

from tests.fakes.boundaries import geojson, polygon, square
from tests.fakes.canary import http_canary
from tests.fakes.watched import WatchedFile
from tests.fuzz.run import Finding, Progress, Run, spoil_files

FIXTURES = Path(__file__).parents[1] / "hostile" / "fixtures"
_VRT = (
    "<OGRVRTDataSource><OGRVRTLayer name='x'><SrcDataSource>{}</SrcDataSource></OGRVRTLayer>"
    "</OGRVRTDataSource>"
)
# Twice what one file may take, on a machine that does other things as well.
SILENCE_S = 60.0
_END_S = 5.0


def main() -> int:
    options = _options()
    FIXTURES.mkdir(exist_ok=True)
    findings: dict[str, Finding] = {}
    total = Progress()
    ends_at = time.monotonic() + options.seconds
    with (
        TemporaryDirectory(prefix="fuzz-", dir=_memory()) as folder,
        http_canary(geojson(polygon(square()))) as canary,
        WatchedFile(Path(folder) / "secret.geojson", geojson(polygon(square()))) as secret,
    ):
        references = (
            str(secret.path),
            f"/vsicurl/{canary.url}/site.geojson",
            _VRT.format(secret.path),
            f"{canary.url}/crs.wkt",
        )
        round_ = 0
        while (left_s := ends_at - time.monotonic()) > 0:
            # A run that ended early, because it crashed, goes on with other mutations.
            run = Run(f"{options.seed}/{round_}", references, Path(folder), left_s)
            round_ += 1
            progress = _watch(run, findings)
            total = total.plus(progress)
            if canary.requests:
                _keep(Finding("followed an address", progress.last), findings)
                canary.requests.clear()
            if secret.was_opened():
                _keep(Finding("opened a file elsewhere", progress.last), findings)
    _report(total, findings, options.seed)
    return 1 if findings else 0


def _memory() -> str | None:
    """Where directories come and go without a disk, which takes longer than reading a file."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=Random().randrange(10**6))
    return parser.parse_args()


def _watch(run: Run, findings: dict[str, Finding]) -> Progress:
    """Run it in a process, and note what it finds or that it died; what it had done by then."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=spoil_files, args=(run, theirs))
    process.start()
    theirs.close()
    progress, ended = _listen(ours, findings)
    if not ended:
        # It is gone already, or has been silent for too long.
        process.join(_END_S)
        process.kill()
        process.join()
        if not progress.executions:
            raise SystemExit(run.noise())
        reason = f"the process ended with {process.exitcode}: {run.noise()[-120:]}"
        _keep(Finding(reason, run.current()), findings)
    process.join()
    return progress


def _listen(messages: Connection, findings: dict[str, Finding]) -> tuple[Progress, bool]:
    """The last progress, and whether the process said that it was done."""
    progress = Progress()
    while messages.poll(SILENCE_S):
        try:
            message: Progress | Finding | None = messages.recv()
        except EOFError:
            return progress, False
        if message is None:
            return progress, True
        if isinstance(message, Finding):
            _keep(message, findings)
        else:
            progress = message
    return progress, False


def _keep(finding: Finding, findings: dict[str, Finding]) -> None:
    """The first file of each kind of finding becomes a fixture, which a test then reads."""
    reason = re.sub(r"0x[0-9a-f]+|\d+", "0", finding.reason)
    if reason in findings:
        return
    findings[reason] = finding
    short = re.sub(r"\W+", "-", finding.reason.partition(":")[0]).strip("-").lower()[:40]
    digest = hashlib.sha256(finding.content).hexdigest()[:8]
    path = FIXTURES / f"found.{short}-{digest}.bin"
    path.write_bytes(finding.content)
    print(f"FOUND {finding.reason}\n      kept as {path.relative_to(Path.cwd())}", flush=True)


def _report(total: Progress, findings: dict[str, Finding], seed: int) -> None:
    print(
        f"{total.executions:,} files ({total.sandboxed:,} through the sandbox) in"
        f" {total.seconds:.0f} s, seed {seed}"
    )
    codes = sorted({outcome.code for outcome in total.outcomes} - {"read"})
    print(f"{len(total.outcomes)} outcomes of {len(codes)} codes: {', '.join(codes)}")
    print(f"{len(findings)} findings")


def _exit() -> NoReturn:
    sys.exit(main())


if __name__ == "__main__":
    _exit()
