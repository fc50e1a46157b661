"""Orders that staff prepare for a customer, and place or drop later."""
