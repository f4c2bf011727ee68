"""What a newt assessment says: frozen models with the field names of the published JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from worker.assessments.result import Fact, PinnedVersion
from worker.boundary.model import Pans, TmpImp
from worker.settings import GcnConstants

Part: TypeAlias = Literal["RLB", "Buffer"]
ZoneName: TypeAlias = Literal["Red", "Amber", "Green"]
PondsSource: TypeAlias = Literal["survey", "national"]


class NewtSiteFact(Fact):
    """A polygon of the boundary file, as ``site`` numbers it; RLB is the red line boundary."""

    site: int
    id: str | None
    name: str | None
    area_m2: float


class Habitat(Fact):
    """Land within reach of a pond, in a site (or the buffer, ``site`` null) and a risk zone."""

    site: int | None
    area: Part
    risk_zone: ZoneName
    habitat_area_m2: float


class HabitatByPartner(Habitat):
    """The same within a delivery partner's area; ``edp_name`` null is land in none."""

    edp_name: str | None


class PondFrequency(Fact):
    """How many ponds are alike; ``max_zone`` is the worst they meet, null if they meet none."""

    pans: Pans
    area: Part
    max_zone: ZoneName | None
    tmp_imp: TmpImp
    frequency: int


class PondFrequencyByPartner(PondFrequency):
    """The same for the ponds of a delivery partner; ``edp_name`` null is ponds of none."""

    edp_name: str | None


class GcnResult(Fact):
    """A whole assessment: habitat and ponds, both also by partner, and what they rest on."""

    assessment: Literal["gcn"] = "gcn"
    sites: tuple[NewtSiteFact, ...]
    ponds_source: PondsSource
    habitat: tuple[Habitat, ...]
    ponds: tuple[PondFrequency, ...]
    habitat_by_edp: tuple[HabitatByPartner, ...]
    ponds_by_edp: tuple[PondFrequencyByPartner, ...]
    warnings: tuple[str, ...] = ()
    reference_versions: Mapping[str, PinnedVersion]
    constants: GcnConstants
