"""How numbers went over commits and dates: points from runs, levels and steps, one page."""
