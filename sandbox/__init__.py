"""Stand-ins for outside systems: a payment gateway and a mailbox. They know nothing of the services."""
