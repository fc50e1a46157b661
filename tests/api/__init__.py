"""Every response of every service conforms to the service's OpenAPI document, for valid and invalid requests."""
