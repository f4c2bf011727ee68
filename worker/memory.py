"""How much memory this process has, in MiB."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_MIB = 1024 * 1024
_STATM = Path("/proc/self/statm")


def peak_mb() -> float:
    """The highest resident memory so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return peak / _MIB if sys.platform == "darwin" else peak / 1024


def resident_mb() -> float:
    """The resident memory now; where the system does not tell, the highest so far."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except OSError:
        return peak_mb()
    return pages * resource.getpagesize() / _MIB
