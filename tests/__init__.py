"""The whole system, and the harness that all tests stand on."""
