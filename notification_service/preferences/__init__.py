"""What a customer wants to be sent, by kind and channel."""
