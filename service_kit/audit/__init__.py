"""The audit log of each service: the changes that staff and API clients make, written by the database itself.

The guard remembers the caller of a request (`actor`), each transaction of that request sets the caller in PostgreSQL
(`database.sessions`), and triggers on the audited tables (`triggers`) write the entries in the same transaction. So no
endpoint can forget the log, however it writes (docs/decisions/0028-audit-logs.md).
"""
