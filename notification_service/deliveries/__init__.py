"""Messages that are sent to customers, and their log."""
