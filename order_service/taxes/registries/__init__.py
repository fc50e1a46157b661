"""Registries of tax ids behind a port: they know which numbers are valid."""
