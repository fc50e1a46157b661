"""Drills for operators, on a shop of their own while customers buy: brokers are lost, secrets are rotated."""
