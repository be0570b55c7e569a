"""Speaker models: modules that turn audio into a vector (`models.pack`); the metric takes the cosine."""
