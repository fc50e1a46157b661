"""A payment gateway with books of its own: charges, refunds, signed webhooks."""
