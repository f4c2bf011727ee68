"""Rules 4 to 6 of the newt method: habitat and ponds by risk zone, and by delivery partner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import shapely

from worker.assessments.gcn_extent import Extent, Ponds
from worker.assessments.gcn_result import (
    Habitat,
    HabitatByPartner,
    Part,
    PondFrequency,
    PondFrequencyByPartner,
    ZoneName,
)
from worker.assessments.overlay import AREA_NOISE_M2, Geometries, Share, largest
from worker.boundary.grid import Grid
from worker.boundary.model import Pans, TmpImp

# Shown to a thousandth of a square metre; the grid knows no more.
_DECIMALS = 3


class RiskZone(IntEnum):
    """Colours of risk zones, the worst first."""

    RED = 1
    AMBER = 2
    GREEN = 3

    @property
    def label(self) -> ZoneName:
        return _LABELS[self]


_LABELS: dict[RiskZone, ZoneName] = {
    RiskZone.RED: "Red",
    RiskZone.AMBER: "Amber",
    RiskZone.GREEN: "Green",
}

Zones = Mapping[RiskZone, shapely.Geometry]
Partners = Mapping[str, shapely.Geometry]


@dataclass(frozen=True, slots=True)
class HabitatPieces:
    """Habitat of one zone in each part of the extent, sites first; empty where there is none."""

    zone: RiskZone
    shapes: Geometries


def habitat_pieces(
    extent: Extent, zones: Zones, pond_zone: shapely.Geometry, grid: Grid
) -> tuple[HabitatPieces, ...]:
    """Rule 4; ``pond_zone`` is everything within reach of a pond."""
    reached = grid.clip(np.array(list(zones.values()), dtype=object), pond_zone)
    return tuple(
        HabitatPieces(zone, grid.clip(extent.parts, within_reach))
        for zone, within_reach in zip(zones, reached, strict=True)
    )


def habitat(
    pieces: tuple[HabitatPieces, ...], sites: tuple[int, ...], grid: Grid
) -> tuple[Habitat, ...]:
    """Areas of ``pieces``, by site number (the buffer last) and colour (the worst first)."""
    return tuple(
        Habitat(site=place.site, area=place.part, risk_zone=place.zone, habitat_area_m2=place.m2)
        for place in _areas(pieces, sites, grid)
    )


def habitat_by_partner(
    pieces: tuple[HabitatPieces, ...], sites: tuple[int, ...], partners: Partners, grid: Grid
) -> tuple[HabitatByPartner, ...]:
    """Rule 6 for habitat: partners by name, then what lies in none."""
    shares: list[tuple[str | None, tuple[HabitatPieces, ...]]] = [
        (name, tuple(HabitatPieces(one.zone, grid.clip(one.shapes, shape)) for one in pieces))
        for name, shape in partners.items()
    ]
    everyone = grid.union(np.array(list(partners.values()), dtype=object))
    nobodys = tuple(HabitatPieces(one.zone, grid.erase(one.shapes, everyone)) for one in pieces)
    return tuple(
        HabitatByPartner(
            site=place.site,
            area=place.part,
            risk_zone=place.zone,
            habitat_area_m2=place.m2,
            edp_name=name,
        )
        for name, share in [*shares, (None, nobodys)]
        for place in _areas(share, sites, grid)
    )


@dataclass(frozen=True, slots=True)
class _Area:
    site: int | None
    part: Part
    zone: ZoneName
    m2: float


def _areas(
    pieces: tuple[HabitatPieces, ...], sites: tuple[int, ...], grid: Grid
) -> Iterator[_Area]:
    areas_m2 = [np.round(grid.area_m2(one.shapes), _DECIMALS).tolist() for one in pieces]
    for index, site in enumerate([*sites, None]):
        for one, area_m2 in zip(pieces, areas_m2, strict=True):
            if area_m2[index] > 0:
                part: Part = "Buffer" if site is None else "RLB"
                yield _Area(site, part, one.zone.label, area_m2[index])


@dataclass(frozen=True, slots=True)
class JudgedPonds:
    """Rule 5: each pond with the part of the extent it counts for and the worst zone it meets."""

    ponds: Ponds
    parts: tuple[Part, ...]
    zones: tuple[RiskZone | None, ...]


def judged(ponds: Ponds, extent: Extent, zones: Zones) -> JudgedPonds:
    """A pond that meets a site counts for the sites, whatever else it meets."""
    shapely.prepare(extent.joined)
    in_site = shapely.intersects(extent.joined, ponds.shapes)
    worst: list[RiskZone | None] = [None] * len(ponds.shapes)
    for zone in sorted(zones, reverse=True):
        shapely.prepare(zones[zone])
        for index in np.flatnonzero(shapely.intersects(zones[zone], ponds.shapes)):
            worst[index] = zone
    return JudgedPonds(
        ponds, tuple("RLB" if inside else "Buffer" for inside in in_site), tuple(worst)
    )


def partners_of(ponds: Ponds, partners: Partners) -> tuple[str | None, ...]:
    """For each pond the partner with which it shares the largest area; ties: the first by name."""
    found: list[list[Share[str]]] = [[] for _ in ponds.shapes]
    for name, shape in partners.items():
        shapely.prepare(shape)
        near = np.flatnonzero(shapely.intersects(shape, ponds.shapes))
        shared_m2 = shapely.area(shapely.intersection(shape, ponds.shapes[near]))
        for index, area_m2 in zip(near.tolist(), shared_m2.tolist(), strict=True):
            if area_m2 > AREA_NOISE_M2:
                found[index].append(Share(name, area_m2))
    return tuple(largest(shares) for shares in found)


def frequencies(ponds: JudgedPonds) -> tuple[PondFrequency, ...]:
    """How many ponds are alike, sorted by survey, part, colour (the worst first) and impact."""
    return tuple(
        PondFrequency(
            pans=kind.pans,
            area=kind.part,
            max_zone=kind.zone,
            tmp_imp=kind.tmp_imp,
            frequency=count,
        )
        for kind, count in _counted(_kinds(ponds, (None,) * len(ponds.parts)))
    )


def frequencies_by_partner(
    ponds: JudgedPonds, partners: tuple[str | None, ...]
) -> tuple[PondFrequencyByPartner, ...]:
    """Rule 6 for ponds: partners by name, then ponds of none."""
    return tuple(
        PondFrequencyByPartner(
            pans=kind.pans,
            area=kind.part,
            max_zone=kind.zone,
            tmp_imp=kind.tmp_imp,
            frequency=count,
            edp_name=kind.partner,
        )
        for kind, count in _counted(_kinds(ponds, partners))
    )


@dataclass(frozen=True, slots=True)
class _Kind:
    pans: Pans
    part: Part
    worst: RiskZone | None
    tmp_imp: TmpImp
    partner: str | None

    @property
    def zone(self) -> ZoneName | None:
        return None if self.worst is None else self.worst.label


def _kinds(ponds: JudgedPonds, partners: tuple[str | None, ...]) -> Iterator[_Kind]:
    return map(_Kind, ponds.ponds.pans, ponds.parts, ponds.zones, ponds.ponds.tmp_imp, partners)


def _counted(kinds: Iterator[_Kind]) -> list[tuple[_Kind, int]]:
    """What is in no zone, and what is in no partner's area, comes last."""
    return sorted(
        Counter(kinds).items(),
        key=lambda item: (
            item[0].partner is None,
            item[0].partner or "",
            item[0].pans,
            item[0].part,
            item[0].worst or len(RiskZone) + 1,
            item[0].tmp_imp,
        ),
    )
