"""The problem of passwords."""

from service_kit.problems import Problem


class WrongPassword(Problem, status=403, type="wrong-password"):
    """The present password is another one."""
