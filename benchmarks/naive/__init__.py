"""The rival: the same endpoints and the same consumer as most people write them.

FastAPI with `def` endpoints, SQLModel's sync session on psycopg2, objects of the ORM, a token verified for each
request, a transaction for each message. Same schema, same answers, same rows (`benchmarks/tests` holds it to that).
"""
