"""What can go wrong on somebody's machine; the words say what to do about it."""


class StackError(Exception):
    """A failure for the person at the terminal: shown without a traceback, exit code 1."""
