"""What becomes of an order once it is placed: cancellation, reservation, parcels, expiry, and what is refunded then."""
