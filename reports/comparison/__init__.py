"""Did it get worse? A base and a new run, metric by metric."""
