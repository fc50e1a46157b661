"""What the services agree on: events, topics, permissions. It knows Pydantic and the standard library only."""
