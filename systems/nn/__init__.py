"""Neural parts that the four systems share."""
