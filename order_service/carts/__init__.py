"""The cart of a signed-in customer."""
