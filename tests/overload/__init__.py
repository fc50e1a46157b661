"""More than a shop can do, for a long time, and while its processes are replaced."""
