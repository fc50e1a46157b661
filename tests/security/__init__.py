"""Security tests of all operations of all services, which are read from OpenAPI, not listed by hand."""
