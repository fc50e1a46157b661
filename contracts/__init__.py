"""What the services share: events, topics, permissions. It imports only Pydantic and the standard library."""
