"""A payment gateway that keeps its own books of charges, refunds and webhooks."""
