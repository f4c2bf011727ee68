"""What AWS allows, so that a stage that cannot be deployed is refused here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Fargate sends SIGKILL at the latest so many seconds after SIGTERM.
MAX_STOP_TIMEOUT_S: Final = 120
# For what comes after the running job at a stop: releasing its message, closing connections.
SHUTDOWN_MARGIN_S: Final = 15

_GIB: Final = 1024
# Fargate's sizes: CPU units, and the MiB of memory that may go with them.
CPU_MEMORY: Final[Mapping[int, tuple[int, ...]]] = {
    512: tuple(range(1 * _GIB, 4 * _GIB + 1, _GIB)),
    1024: tuple(range(2 * _GIB, 8 * _GIB + 1, _GIB)),
    2048: tuple(range(4 * _GIB, 16 * _GIB + 1, _GIB)),
    4096: tuple(range(8 * _GIB, 30 * _GIB + 1, _GIB)),
    8192: tuple(range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
}
