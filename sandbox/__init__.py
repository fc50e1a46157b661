"""The outside world for one machine: a payment gateway and a mailbox. Knows nothing of the services."""
