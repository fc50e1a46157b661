"""Money for orders: taken once, and given back by itself when no order wants it."""
