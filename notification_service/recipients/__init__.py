"""The recipients of notifications: a copy of data of the user service."""
