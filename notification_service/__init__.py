"""Notifies customers of the progress of their orders, in an inbox and by e-mail."""
