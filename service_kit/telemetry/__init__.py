"""Observability of a service: logs, metrics, traces."""
