"""Lines of CloudWatch's embedded metric format: CloudWatch Logs makes metrics of them by itself."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Unit = Literal["Count", "Milliseconds", "Seconds", "Megabytes", "None"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a line."""

    name: str
    unit: Unit
    value: float


class EmbeddedMetrics:
    """Writes lines of the embedded metric format.

    ``write`` is given each line with its line end; ``now`` is Unix time in seconds.
    """

    def __init__(
        self,
        namespace: str,
        service_name: str,
        *,
        write: Callable[[str], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._namespace = namespace
        self._service_name = service_name
        self._write = write
        self._now = now

    def emit(
        self,
        metrics: tuple[Metric, ...],
        dimensions: Mapping[str, str],
        sets: tuple[tuple[str, ...], ...],
        members: Mapping[str, object],
    ) -> None:
        """One line; ``sets`` are the combinations of ``dimensions`` that become metrics.

        The service's name is in each of them. ``members`` are searchable, and no dimensions.
        """
        directive = {
            "Namespace": self._namespace,
            "Dimensions": [["ServiceName", *names] for names in sets],
            "Metrics": [{"Name": one.name, "Unit": one.unit} for one in metrics],
        }
        line = {
            **members,
            "_aws": {"Timestamp": int(self._now() * 1000), "CloudWatchMetrics": [directive]},
            "ServiceName": self._service_name,
            **dimensions,
            **{one.name: one.value for one in metrics},
        }
        self._write(json.dumps(line, allow_nan=False) + "\n")


def to_stdout(line: str) -> None:
    """Write one line to standard output, whole and at once, between those of the log."""
    sys.stdout.write(line)
    sys.stdout.flush()
