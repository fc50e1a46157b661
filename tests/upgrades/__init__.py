"""Databases of earlier releases, with work in flight, are upgraded without loss."""
