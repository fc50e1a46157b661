"""The recipients of notifications: a copy of accounts of the user service."""
