"""The inbox: one row for each event that a customer is notified of."""
