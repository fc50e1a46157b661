"""The whole shop on one machine: embedded PostgreSQL and Kafka, the sandbox and the five services, supervised."""
