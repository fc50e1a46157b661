"""What the mails say. They name nobody: whoever registers chooses the name, and could speak to strangers through it."""

from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from user_service.mails.models import Purpose
from user_service.mails.queries import Claimed

SUBJECTS = {
    Purpose.VERIFY_EMAIL: "Confirm your e-mail address",
    Purpose.RESET_PASSWORD: "Choose a new password",
}
WORDS = {
    Purpose.VERIFY_EMAIL: """\
Hello,

with this address an account was made at Online Mart. If that was you, confirm it within {lifetime}{way}

If it wasn't you, do nothing: until then no other mail comes here.
""",
    Purpose.RESET_PASSWORD: """\
Hello,

somebody asked for a new password for your account at Online Mart. If that was you, choose one within {lifetime}{way}

If it wasn't you, do nothing: your password stays as it is. Pass this mail on to nobody: it opens your account.
""",
}


def compose(mail: Claimed, token: str, lifetime: timedelta, *, web_url: str, mail_from: str) -> EmailMessage:
    """Raises: ValueError, for an address that nothing can be sent to."""
    message = EmailMessage()
    message["Message-ID"] = f"<{mail.id}.{mail.purpose}@{parseaddr(mail_from)[1].rpartition('@')[2]}>"
    message["Date"] = format_datetime(mail.created_at)
    message["From"] = mail_from
    message["To"] = mail.email
    message["Subject"] = SUBJECTS[mail.purpose]
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        WORDS[mail.purpose].format(lifetime=_in_words(lifetime), way=_way(mail.purpose, token, web_url))
    )
    return message


def _way(purpose: Purpose, token: str, web_url: str) -> str:
    """The token stands behind a `#`, which a browser keeps to itself: no server's log and no `Referer` shows it."""
    if not web_url:
        return f" with this code:\n\n{token}"
    return f":\n\n{web_url.rstrip('/')}/{purpose}#token={token}\n\nor with this code:\n\n{token}"


def _in_words(lifetime: timedelta) -> str:
    minutes = int(lifetime.total_seconds() // 60)
    hours, rest = divmod(minutes, 60)
    if rest:
        return f"{minutes} minutes"
    return "an hour" if hours == 1 else f"{hours} hours"
