"""The package that every service is built on: application, settings, database, security, messaging, telemetry."""
