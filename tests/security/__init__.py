"""What keeps strangers out, tried against all operations of all services: found in OpenAPI, not listed by hand."""
