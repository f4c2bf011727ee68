"""CloudWatch's embedded metric format as its specification describes it, and a reader of lines."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

UNITS = {"Count", "Milliseconds", "Seconds", "Megabytes", "None"}


@dataclass(frozen=True)
class Figure:
    """One value of one metric, in one combination of dimensions (without the service's name)."""

    name: str
    value: float
    dimensions: Mapping[str, str]


def figures(lines: Iterable[Mapping[str, object]]) -> list[Figure]:
    """Every metric that CloudWatch would make of these lines; fails on a line it would refuse."""
    return [figure for line in lines if "_aws" in line for figure in _read(line)]


def _read(line: Mapping[str, object]) -> list[Figure]:
    assert len(json.dumps(line)) < 256 * 1024
    metadata = line["_aws"]
    assert isinstance(metadata, dict)
    assert set(metadata) == {"Timestamp", "CloudWatchMetrics"}
    stamp = metadata["Timestamp"]
    assert isinstance(stamp, int)
    # Two weeks back and two hours ahead is what CloudWatch takes; in seconds it would be in 1970.
    assert -14 * 86_400 < stamp / 1000 - time.time() < 2 * 3600
    found = []
    for directive in metadata["CloudWatchMetrics"]:
        assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
        assert 1 <= len(directive["Namespace"]) <= 256
        assert 1 <= len(directive["Metrics"]) <= 100
        assert isinstance(directive["Dimensions"], list)
        assert directive["Dimensions"]
        for names in directive["Dimensions"]:
            assert isinstance(names, list)
            assert len(names) <= 30
            assert all(isinstance(line[name], str) for name in names)
            values = {name: str(line[name]) for name in names}
            assert all(1 <= len(one) <= 1024 for one in values.values())
            assert values.pop("ServiceName")
            for metric in directive["Metrics"]:
                assert set(metric) <= {"Name", "Unit", "StorageResolution"}
                assert metric["Unit"] in UNITS
                value = line[metric["Name"]]
                assert isinstance(value, int | float)
                assert not isinstance(value, bool)
                found.append(Figure(metric["Name"], value, values))
    return found
