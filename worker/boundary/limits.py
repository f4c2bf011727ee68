"""What one file may cost; plain values, so that the child need not import the settings."""

from __future__ import annotations

from dataclasses import dataclass

# Sides in degrees get points when they are converted, up to 200,000 a feature.
_ADDED_VERTICES = 1_500_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, processor time in seconds, ``memory_mb`` on top of the child's own.

    The last four are constants of the newt method: what it draws around sites and ponds is part of
    what their file costs.
    """

    max_bytes: int
    max_expanded_bytes: int
    max_entries: int
    max_ratio: int
    max_vertices: int
    max_features: int
    max_area_ha: float
    cpu_seconds: int
    memory_mb: int
    site_buffer_m: float
    pond_buffer_m: float
    segments_per_quadrant: int
    grid_m: float

    @property
    def max_converted_vertices(self) -> int:
        """Of all features together, once they are in metres."""
        return self.max_vertices + _ADDED_VERTICES
