"""Naive implementations of two endpoints, with which those of the services are compared.

They use FastAPI with `def` endpoints, SQLModel's sync session on psycopg2 and objects of the ORM, and verify the token
of each request. They have the same schema, responses and rows as the services, which `benchmarks/tests` checks.
"""
