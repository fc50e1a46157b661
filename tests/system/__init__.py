"""Several real processes: whole journeys, crashes, and a shop without its broker."""
