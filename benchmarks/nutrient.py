"""Time and memory of the nutrient assessment, against a plain SQL join and the bare kernel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from psycopg import Connection
from rich.console import Console

from benchmarks.landscape import LARGE, SMALL, Landscape, connected, landscape, pinned
from benchmarks.memory import peak_mb
from benchmarks.methods import Answer, Kernel, PlainJoin, WorkerMethod
from benchmarks.report import Disagreement, Row, medians_ms, table
from benchmarks.sites import site_of, sites
from worker.boundary.model import Site

# Results show areas to the square metre; two catchments may each round by half of one.
_AGREEMENT_HA = 2e-4
_BATCH, _LARGE_BATCH = 245, 5_000
_LARGE_SITE_HA = 5_000.0


def run(*, cells: int, seed: int, runs: int, keep: Path | None) -> bool:
    """Measure, print the report, and say whether every target is met."""
    console = Console()
    with landscape(cells, seed, keep, console) as land, connected(land.url) as connection:
        console.print(
            f"{land.large_cells:,} cells, {land.small_cells:,} of them also as a layer of their "
            f"own; seed {seed}; warm medians of {runs} rounds in which the methods take turns."
        )
        rows = [
            *_one_site(connection, land, seed, runs),
            *_batch(connection, land, seed, runs),
            *_large_site(connection, land, seed, runs),
            *_growth(connection, land, seed, runs),
            *_memory(land, seed),
        ]
    console.print(table(rows))
    return all(row.met is not False for row in rows)


def _one_site(connection: Connection, land: Landscape, seed: int, runs: int) -> list[Row]:
    by_area = sorted(sites(_BATCH, land.inner, seed), key=lambda site: site.geometry.area)
    return _against_plain_join(
        "1 site of median area", connection, [by_area[_BATCH // 2]], 5 * runs, at_least=8
    )


def _batch(connection: Connection, land: Landscape, seed: int, runs: int) -> list[Row]:
    batch = sites(_BATCH, land.inner, seed)
    worker, plain = _methods(connection, batch)
    kernel = Kernel(connection, pinned(connection, LARGE), batch)
    _check_agreement(worker.answers(), plain.answers(), kernel.answers())
    ours, theirs, floor = medians_ms(runs, worker.run, plain.run, kernel.run)
    name = f"{_BATCH} sites"
    return [
        _time_row(name, ours),
        _ratio_row(name, ours, theirs, at_least=25),
        Row(
            f"{name}: kernel on {kernel.pairs:,} pairs",
            f"{floor:.1f} ms, worker {ours / floor:.2f} times",
            "at most 2 times",
            ours <= 2 * floor,
        ),
    ]


def _large_site(connection: Connection, land: Landscape, seed: int, runs: int) -> list[Row]:
    site = site_of(_LARGE_SITE_HA, land.inner, seed)
    name = f"1 site of {_LARGE_SITE_HA:,.0f} ha"
    return _against_plain_join(name, connection, [site], runs, at_least=60)


def _growth(connection: Connection, land: Landscape, seed: int, runs: int) -> list[Row]:
    batch = sites(_BATCH, land.small, seed)
    large = WorkerMethod(connection, pinned(connection, LARGE), batch)
    small = WorkerMethod(connection, pinned(connection, SMALL), batch)
    _check_agreement(large.answers(), small.answers())
    on_large, on_small = medians_ms(runs, large.run, small.run)
    growth = on_large / on_small - 1
    return [
        Row(
            f"{_BATCH} sites in the window: all cells against its own",
            f"{on_large:.1f} ms against {on_small:.1f} ms, {growth:+.0%}",
            "at most +15%",
            growth <= 0.15,
        )
    ]


def _memory(land: Landscape, seed: int) -> list[Row]:
    rows = []
    for count, limit_mb in ((1, None), (_BATCH, 150), (_LARGE_BATCH, 300)):
        peak = peak_mb(land.url, count, seed, land.inner)
        target = "" if limit_mb is None else f"below {limit_mb} MB"
        met = None if limit_mb is None else peak < limit_mb
        rows.append(Row(f"Peak memory, {count:,} sites", f"{peak:.0f} MB", target, met))
    return rows


def _against_plain_join(
    name: str, connection: Connection, batch: list[Site], runs: int, *, at_least: float
) -> list[Row]:
    worker, plain = _methods(connection, batch)
    _check_agreement(worker.answers(), plain.answers())
    ours, theirs = medians_ms(runs, worker.run, plain.run)
    return [_time_row(name, ours), _ratio_row(name, ours, theirs, at_least=at_least)]


def _methods(connection: Connection, batch: list[Site]) -> tuple[WorkerMethod, PlainJoin]:
    return (
        WorkerMethod(connection, pinned(connection, LARGE), batch),
        PlainJoin(connection, batch),
    )


def _time_row(name: str, ours: float) -> Row:
    return Row(name, f"{ours:.1f} ms", "")


def _ratio_row(name: str, ours: float, theirs: float, *, at_least: float) -> Row:
    ratio = theirs / ours
    return Row(
        f"{name}: plain join",
        f"{theirs:,.0f} ms, worker {ratio:.1f} times faster",
        f"at least {at_least:.0f} times",
        ratio >= at_least,
    )


def _check_agreement(reference: Mapping[int, Answer], *others: Mapping[int, Answer]) -> None:
    for other in others:
        if reference.keys() != other.keys():
            raise Disagreement("methods answer for different sites")
        for number, answer in reference.items():
            if not _agree(answer, other[number]):
                raise Disagreement(f"site {number}: {answer} against {other[number]}")


def _agree(one: Answer, other: Answer) -> bool:
    names = zip(
        (one.works, one.authority, one.subcatchment),
        (other.works, other.authority, other.subcatchment),
        strict=True,
    )
    return abs(one.area_ha - other.area_ha) <= _AGREEMENT_HA and all(
        mine == theirs for mine, theirs in names if mine is not None and theirs is not None
    )
