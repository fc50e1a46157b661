"""Tools for the whole shop: demo data, replay, an order's trail, checks and audit. No service imports them."""
