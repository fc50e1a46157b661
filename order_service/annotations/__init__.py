"""Notes and tags of orders, by staff and for staff: no customer, event or version of an order shows them."""
