"""What `make up` puts into an empty shop, so that there is something to look at; through the REST APIs."""
