"""The problems of guests."""

from service_kit.problems import Problem


class NotAGuest(Problem, status=409, type="not-a-guest"):
    """This is a registered account: change its address by `POST /users/me/email`."""


class AccountExists(Problem, status=409, type="account-exists"):
    """A registered account has this e-mail address: sign in to it, and send the code to `POST /me/guest-orders`."""


class EmailNotVerified(Problem, status=409, type="email-not-verified"):
    """Confirm your account's e-mail address first (`POST /auth/verify-email`): only its owner may get a guest's
    orders."""


class OtherAddress(Problem, status=409, type="other-address"):
    """This code was mailed to another address than your account has: sign in to the account with that address, or set
    a password for the guest's account by `POST /auth/guest/claim`."""
