"""Release N+1 can be made of the present tree."""
