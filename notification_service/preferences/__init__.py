"""Which kinds of notifications a customer wants by which channel."""
