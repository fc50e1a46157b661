"""Drills for operators, on a shop of their own while customers buy: databases are restored, a primary or brokers are
lost, secrets are rotated."""
