"""Registering, changing, disabling and erasing accounts, and what follows for sessions, API clients and mails."""
