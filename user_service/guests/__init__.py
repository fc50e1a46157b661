"""Guests: accounts without a password, and how they become registered ones or parts of them."""
