"""A mail server that delivers nothing: it stores every message, and shows it on a web page."""
