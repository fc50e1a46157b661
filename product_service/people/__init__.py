"""Those whom the service holds something about."""
