"""The audit log of each service: which fields of what staff and API clients changed, written by the database itself.

The guard remembers who sends a request (`actor`), each transaction of that request says so to PostgreSQL
(`database.sessions`), and triggers on the audited tables (`triggers`) write the entries in the same transaction. So no
endpoint can forget it, whichever way it writes (docs/decisions/0028-audit-logs.md).
"""
