"""A payment gateway, which keeps charges, refunds and webhooks in a database of its own."""
