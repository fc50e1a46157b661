"""Shipping zones and methods."""
