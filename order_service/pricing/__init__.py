"""What carts and orders cost, and what was paid for a part of an order. Everything here is pure."""
