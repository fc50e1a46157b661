"""Reports the taxes of orders that were paid, and of what was refunded of them."""
