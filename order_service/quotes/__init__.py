"""What an order would cost, without placing it."""
