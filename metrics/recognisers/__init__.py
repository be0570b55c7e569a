"""Recognisers: modules that turn audio into `{"text": ...}`. Normalisation happens later, in the metric."""
