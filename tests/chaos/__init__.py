"""Injects faults into a running shop while customers buy, by a schedule that a seed determines, and then checks its
books."""
