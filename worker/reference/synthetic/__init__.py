"""Synthetic reference data: invented places whose layers fit together as real ones do."""
