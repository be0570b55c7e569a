"""Everything that measures speed: latency, operations, hardware limits, energy."""
