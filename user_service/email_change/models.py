"""The problems of a change of the e-mail address."""

from service_kit.problems import Problem


class SameEmail(Problem, status=409, type="same-email"):
    """This is the account's e-mail address already: there is nothing to change."""


class SecondFactorNeeded(Problem, status=403, type="second-factor-needed"):
    """A code of the second factor is needed: send it as `otp`, or a recovery code."""


class WrongSecondFactor(Problem, status=403, type="wrong-second-factor"):
    """This code is not the one that the app shows, or it was used already."""
