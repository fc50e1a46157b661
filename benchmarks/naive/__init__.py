"""The same two endpoints as most people write them, to compare ours with.

FastAPI with `def` endpoints, SQLModel's sync session on psycopg2, objects of the ORM, a token verified for each
request. Same schema, same answers, same rows (`benchmarks/tests` checks that).
"""
