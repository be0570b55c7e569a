"""The training corpus: made by `build`, read by `reader`."""
