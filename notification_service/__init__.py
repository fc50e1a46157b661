"""Tells customers what becomes of their orders: an inbox for each, and e-mail where they want it."""
