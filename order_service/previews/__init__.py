"""Previews of promotions: what they would take off a cart, or would have taken off past orders."""
