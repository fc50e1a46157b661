"""Payment gateways: the port, an adapter for each gateway, and the registry of those in use."""
