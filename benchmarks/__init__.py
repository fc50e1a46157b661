"""`make bench` measures the hot paths, and in the same run their limits and reference implementations."""
