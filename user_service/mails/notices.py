"""Notices to the owner of an account. Like all mails from here, they name nobody."""

from user_service.mails.models import Purpose

SUBJECTS = {
    Purpose.PASSWORD_CHANGED: "Your password was changed",
    Purpose.MFA_ENABLED: "Your second factor was turned on",
    Purpose.MFA_DISABLED: "Your second factor was turned off",
    Purpose.RECOVERY_CODES_RENEWED: "You have new recovery codes",
    Purpose.NEW_DEVICE: "Somebody signed in from a new device",
    Purpose.API_CLIENT_CREATED: "You own a new API client",
}
_FACTS = {
    Purpose.PASSWORD_CHANGED: "the password of your account was changed, and its other sessions were ended.",
    Purpose.MFA_ENABLED: "a second factor was set up: from now on each sign-in asks for a code.",
    Purpose.MFA_DISABLED: "the second factor was turned off: from now on the password alone signs in.",
    Purpose.RECOVERY_CODES_RENEWED: "new recovery codes were made; the former ones are invalid.",
    Purpose.NEW_DEVICE: "somebody signed in to your account from a device and a place that are new to it.",
    Purpose.API_CLIENT_CREATED: "an API client was created that belongs to you, with permissions of its own.",
}
_TEXT = """\
Hello,

at {{time:%Y-%m-%d %H:%M}} UTC {fact}

If that was you, there is nothing to do. If it wasn't, sign in, choose another password, which ends all other sessions,
and tell us.
"""
WORDS = {purpose: _TEXT.format(fact=fact) for purpose, fact in _FACTS.items()}
