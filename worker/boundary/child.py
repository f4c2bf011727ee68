"""The child process that opens one file from a user and ends: ``python -m worker.boundary.child``.

It takes its limits as an argument, says when it is warm, reads one request from standard input and
writes one answer to standard output (``wire``). It imports neither settings, clients nor logging.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import BinaryIO

from worker.boundary import wire
from worker.boundary.limits import Limits
from worker.boundary.parse import read_boundary, read_survey_ponds
from worker.errors import BoundaryError

_MAX_OPEN_FILES = 64
# From <linux/prctl.h>.
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
# Of this machine; a file that is larger than it may be is EFBIG.
_NOT_THE_FILES_FAULT = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE}
)


def main() -> None:
    """Warm up, answer one request if one comes, and end."""
    parent, limits = int(sys.argv[1]), Limits(**json.loads(sys.argv[2]))
    answers = _private_standard_output()
    _die_with(parent)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MAX_OPEN_FILES, _MAX_OPEN_FILES))
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (limits.max_expanded_bytes, limits.max_expanded_bytes)
    )
    _warm_up()
    _limit_use(limits)
    answers.write(wire.READY)
    answers.flush()
    request = sys.stdin.buffer.readline()
    if request:
        answers.write(_answer(request, limits))
    answers.close()
    # Nothing is left to tidy up, and unloading GDAL takes 50 ms.
    os._exit(0)


def _private_standard_output() -> BinaryIO:
    """The pipe to the parent; what a library prints goes to standard error instead."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # The parent may have ended before the line above.
    if os.getppid() != parent:
        sys.exit(0)


def _warm_up() -> None:
    """Load GDAL, PROJ's database and OSTN15, so that a file does not wait for them."""
    from fiona.crs import CRS

    from worker.boundary import crs

    crs.from_prj(CRS.from_epsg(27700).to_wkt(version="WKT1_ESRI").encode())
    crs.published_point_error_m()


def _limit_use(limits: Limits) -> None:
    """Limits that count from here: what the warm libraries took is not the file's."""
    used_s = int(time.process_time()) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (used_s + limits.cpu_seconds,) * 2)
    # Only Linux enforces RLIMIT_AS and says how much is mapped. Libraries reserve some hundred
    # megabytes that they never touch, hence a limit on top of that instead of a fixed one.
    if sys.platform == "linux":
        mapped_pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = mapped_pages * resource.getpagesize() + limits.memory_mb * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _answer(request: bytes, limits: Limits) -> bytes:
    try:
        match json.loads(request):
            case {"kind": kind, "path": str(path), "filename_hint": str(hint)}:
                file, target = Path(path), Path.cwd()
                if kind in (wire.BOUNDARY, wire.OUTLINES):
                    boundary = read_boundary(
                        file,
                        filename_hint=hint,
                        target=target,
                        limits=limits,
                        with_dwellings=kind == wire.BOUNDARY,
                    )
                    return wire.encode_boundary(boundary)
                if kind == wire.SURVEY_PONDS:
                    ponds = read_survey_ponds(
                        file, filename_hint=hint, target=target, limits=limits
                    )
                    return wire.encode_survey_ponds(ponds)
    except BoundaryError as error:
        return wire.encode_refusal(error)
    except OSError as error:
        if error.errno in _NOT_THE_FILES_FAULT:
            return wire.encode_trouble(error)
        raise
    raise ValueError("unknown request")


if __name__ == "__main__":
    main()
