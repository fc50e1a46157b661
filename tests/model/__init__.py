"""Model-based tests of orders: compares a model of what the business promises with the rules and the running API."""
