"""Carts, orders and their payments: from the first item in a cart to the end of the return window."""
