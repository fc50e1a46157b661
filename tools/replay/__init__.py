"""`make replay`: a real shop's month through the public REST APIs, reconciled to the penny."""
