"""The stacks of a stage: network, data, database, service, monitoring."""
