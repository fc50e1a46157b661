"""Returns: requested by customers, decided by staff, received by a warehouse, refunded."""
