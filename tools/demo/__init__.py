"""The demo data that `make up` creates in an empty shop, through the REST APIs."""
