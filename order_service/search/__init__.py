"""Search for orders and their export, for staff: above all other domains, which know nothing of it."""
