"""Systems ranked over time, from entries without audio."""
