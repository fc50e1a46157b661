"""Stand-ins for outside systems: a payment gateway and a mailbox. They don't depend on the services."""
