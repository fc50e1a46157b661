"""Errors on the user's machine, with messages that say what to do."""


class StackError(Exception):
    """An error that the user can fix: shown without a traceback, exit code 1."""
