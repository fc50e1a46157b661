"""The HTTP side of a service: application, conventions of the REST interface, health."""
