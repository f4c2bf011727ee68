"""Constants of the methods: part of the settings, with the values of the specification.

Import them from ``worker.settings``; they stand here because they are the assessments' affair and
change with the method, not with the deployment.
"""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class _Constants(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)


class NutrientConstants(_Constants):
    """Constants of the nutrient method; every one is echoed in the result."""

    model_config = SettingsConfigDict(env_prefix="IAT_", frozen=True, extra="ignore")

    wastewater_factor: float = Field(0.9, description="share of the permit concentration emitted")
    greenspace_min_area_ha: float = Field(1.0, description="from this area on greenspace counts")
    greenspace_share: float = Field(0.20, ge=0, le=1)
    greenspace_n_kg_ha_yr: float = 3.0
    greenspace_p_kg_ha_yr: float = 0.2
    suds_min_dwellings: int = Field(50, ge=0)
    suds_reduction: float = Field(0.25, ge=0, le=1)
    precautionary_buffer: float = Field(0.20, ge=0)
    default_wwtw_id: int = 141
    default_occupancy_rate: float = Field(2.4, gt=0, description="persons per dwelling")
    default_water_usage_l_person_day: float = Field(120, gt=0)


class GcnConstants(_Constants):
    """Constants of the great crested newt method; every one is echoed in the result."""

    model_config = SettingsConfigDict(env_prefix="GCN_", frozen=True, extra="ignore")

    site_buffer_m: float = Field(250, gt=0)
    pond_buffer_m: float = Field(250, gt=0)
    segments_per_quadrant: int = Field(32, ge=1, le=1024, description="of a buffer's outline")
    grid_m: float = Field(0.0001, gt=0, le=1, description="geometry is snapped to it")
