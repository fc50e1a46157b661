"""Documents name only what exists."""
