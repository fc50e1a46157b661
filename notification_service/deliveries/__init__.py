"""What leaves the shop: e-mails, and the log of them."""
