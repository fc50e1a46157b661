"""Conventional implementations of two endpoints, as references for ours.

FastAPI with `def` endpoints, SQLModel's sync session on psycopg2, objects of the ORM, a token verified for each
request. They have the same schema, responses and rows (`benchmarks/tests` checks that).
"""
