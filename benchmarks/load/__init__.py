"""Load over HTTP, from a separate process."""
