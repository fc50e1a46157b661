"""What can go wrong when an address is to be proven."""

from service_kit.problems import Problem


class AlreadyVerified(Problem, status=409, type="already-verified"):
    """This e-mail address is confirmed already: there is nothing to do."""
