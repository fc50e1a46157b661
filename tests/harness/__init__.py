"""What tests stand on: real PostgreSQL and Kafka started once for the run, a database for each test, tokens."""
