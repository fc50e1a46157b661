"""A gateway whose answers and webhooks are lost, late, doubled and out of order: in the end its books are ours."""
