"""Tools for the whole shop: demo data, replay, an order's trail, checks and audit. Nothing imports them."""
