"""An order's life as a state machine: what the business promises, held against the rules and the running API."""
