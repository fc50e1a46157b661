"""How every service runs: application, settings, database, security, messaging, errors, telemetry."""
