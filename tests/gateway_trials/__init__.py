"""A gateway whose responses and webhooks are lost, late, duplicated and out of order: finally its books equal ours."""
