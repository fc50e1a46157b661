"""Payment gateways: the port that they are reached by, one adapter for each, and which of them are there."""
