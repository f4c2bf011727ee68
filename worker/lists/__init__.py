"""Lists of professionals abroad: the annual review of their entries."""
