"""What a signed-in customer means to order."""
