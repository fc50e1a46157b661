"""The test harness: real PostgreSQL and Kafka that are started once per run, a database for each test, and tokens."""
