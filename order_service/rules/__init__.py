"""The rules for taxes, shipping and promotions that a process prices orders by, as they are in the database."""
