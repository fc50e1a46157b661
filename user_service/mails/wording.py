"""The texts of the mails. They contain no names: a name is free text, by which anyone could send spam to strangers."""

from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from service_kit.queue import PermanentFailure
from user_service.mails.models import Purpose
from user_service.mails.queries import Claimed

SUBJECTS = {
    Purpose.VERIFY_EMAIL: "Confirm your e-mail address",
    Purpose.RESET_PASSWORD: "Choose a new password",
    Purpose.CHANGE_EMAIL: "Confirm your new e-mail address",
    Purpose.GUEST_LINK: "Your orders without an account",
    Purpose.EMAIL_IN_USE: "This e-mail address has an account already",
    Purpose.EMAIL_CHANGE_ASKED: "Your e-mail address is to be changed",
    Purpose.EMAIL_CHANGED: "Your e-mail address was changed",
    Purpose.PASSWORD_CHANGED: "Your password was changed",
    Purpose.MFA_ENABLED: "Your second factor was turned on",
    Purpose.MFA_DISABLED: "Your second factor was turned off",
    Purpose.RECOVERY_CODES_RENEWED: "You have new recovery codes",
    Purpose.NEW_DEVICE: "Somebody signed in from a new device",
    Purpose.API_CLIENT_CREATED: "You own a new API client",
}
TEXTS = {
    Purpose.VERIFY_EMAIL: """\
with this address an account was made at Online Mart. If that was you, confirm it within {lifetime}{way}

If it wasn't you, do nothing: until it is confirmed, this address gets no notices about orders or the account.
""",
    Purpose.RESET_PASSWORD: """\
somebody asked for a new password for your account at Online Mart. If that was you, choose one within {lifetime}{way}

If it wasn't you, do nothing: your password stays as it is. Pass this mail on to nobody: it opens your account.
""",
    Purpose.GUEST_LINK: """\
somebody shops at Online Mart with this address, without an account. If that was you, within {lifetime} you can see your
orders on any device, or make an account of them{way}

If it wasn't you, do nothing. Pass this mail on to nobody: it opens these orders.
""",
    Purpose.CHANGE_EMAIL: """\
somebody wants to use this address for their account at Online Mart. If that was you, sign in and confirm it within
{lifetime}{way}

If it wasn't you, do nothing: the account keeps the address that it has.
""",
    Purpose.EMAIL_IN_USE: """\
somebody wanted to use this address for another account at Online Mart. You have an account with it already, so nothing
was changed. If it was you: sign in to that account instead, or erase it or give it another address first.

If it wasn't you, do nothing.
""",
    Purpose.EMAIL_CHANGE_ASKED: """\
somebody who knows your password wants your account at Online Mart to use another e-mail address. It will, once that
address is confirmed.

If it wasn't you, choose a new password at once ("forgotten password"): that stops the change, and signs everybody out.
""",
    Purpose.EMAIL_CHANGED: """\
your account at Online Mart uses another e-mail address from now on. Nothing else is sent to this one.

If it wasn't you, tell us at once: somebody knows your password.
""",
}
NOTICES = {
    Purpose.PASSWORD_CHANGED: "the password of your account was changed, and its other sessions were ended.",
    Purpose.MFA_ENABLED: "a second factor was set up: from now on each sign-in asks for a code.",
    Purpose.MFA_DISABLED: "the second factor was turned off: from now on the password alone signs in.",
    Purpose.RECOVERY_CODES_RENEWED: "new recovery codes were made; the former ones are invalid.",
    Purpose.NEW_DEVICE: "somebody signed in to your account from a device and a place that are new to it.",
    Purpose.API_CLIENT_CREATED: "an API client was created that belongs to you, with permissions of its own.",
}
NOTICE = """\
at {time:%Y-%m-%d %H:%M} UTC {fact}

If that was you, there is nothing to do. If it wasn't, sign in, choose another password, which ends all other sessions,
and tell us.
"""


def compose(
    mail: Claimed, purpose: Purpose, token: str | None, lifetime: timedelta, *, web_url: str, mail_from: str
) -> EmailMessage:
    """Renders the mail. `token`: None for a notice. Raises: PermanentFailure, if the address is unusable."""
    message = EmailMessage()
    message["Message-ID"] = f"<{mail.id}.{mail.purpose}@{parseaddr(mail_from)[1].rpartition('@')[2]}>"
    message["Date"] = format_datetime(mail.created_at)
    message["From"] = mail_from
    try:
        message["To"] = mail.email
    except ValueError as error:
        raise PermanentFailure(f"the address can't be used: {error}") from error
    message["Subject"] = SUBJECTS[purpose]
    message["Auto-Submitted"] = "auto-generated"
    way = _way(purpose, token, web_url) if token else ""
    fact, text = NOTICES.get(purpose), TEXTS.get(purpose, NOTICE)
    text = text.format(fact=fact, lifetime=_in_words(lifetime), way=way, time=mail.created_at)
    message.set_content(f"Hello,\n\n{text}")
    return message


def _way(purpose: Purpose, token: str, web_url: str) -> str:
    """A link and the code. In the link, the token is in the fragment, which browsers don't send: no log contains it."""
    if not web_url:
        return f" with this code:\n\n{token}"
    return f":\n\n{web_url.rstrip('/')}/{purpose}#token={token}\n\nor with this code:\n\n{token}"


def _in_words(lifetime: timedelta) -> str:
    minutes = int(lifetime.total_seconds() // 60)
    hours, rest = divmod(minutes, 60)
    if rest:
        return f"{minutes} minutes"
    return "an hour" if hours == 1 else f"{hours} hours"
