"""Where work is done: worker processes on this machine, a Ray cluster, or shards run apart and merged."""
