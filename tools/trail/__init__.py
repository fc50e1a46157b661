"""`make trail`: one order's way through all services, read from their tables, from Kafka and from the gateway."""
