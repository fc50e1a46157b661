"""What customers give back: asked for, decided by staff, received by a warehouse, refunded."""
