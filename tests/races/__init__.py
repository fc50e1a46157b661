"""Concurrent requests to a running shop: in any order of execution, the books agree."""
