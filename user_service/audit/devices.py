"""Recognises devices that signed in to an account before, by a cookie that only this service can create."""

import hashlib
import hmac
import secrets
from datetime import timedelta

from pydantic import SecretStr

from service_kit.clock import utcnow
from user_service.emails import EmailAddress

COOKIE = "device"
SECURE_COOKIE = f"__Secure-{COOKIE}"
"""For https. Browsers accept a cookie with this prefix over https only, so that no one on the network can set it."""
LIFETIME = timedelta(days=180)


def cookie_name(public_url: str) -> str:
    return SECURE_COOKIE if public_url.startswith("https:") else COOKIE


class Devices:
    """The cookie is `<device>.<made at>.<mac>`; the MAC covers the e-mail address too, so it is valid for one account.

    It grants no access: a known device only has rate limits of its own, apart from those of unknown devices.
    """

    def __init__(self, secret: SecretStr) -> None:
        self._key = hmac.digest(secret.get_secret_value().encode(), b"known devices", "sha256")

    def make(self, email: EmailAddress) -> str:
        device, made_at = secrets.token_urlsafe(16), str(int(utcnow().timestamp()))
        return f"{device}.{made_at}.{self._mac(device, made_at, email)}"

    def find(self, cookie: str | None, email: EmailAddress) -> str | None:
        """The device's id, if the cookie is valid for this account."""
        parts = (cookie or "").split(".")
        if len(parts) != 3:
            return None
        device, made_at, mac = parts
        expected = self._mac(device, made_at, email)
        if not hmac.compare_digest(expected.encode(), mac.encode(errors="replace")) or not made_at.isdecimal():
            return None
        return device if utcnow().timestamp() - int(made_at) < LIFETIME.total_seconds() else None

    def _mac(self, device: str, made_at: str, email: EmailAddress) -> str:
        text = "\n".join((device, made_at, email.key)).encode(errors="replace")
        return hashlib.blake2b(text, key=self._key, digest_size=20).hexdigest()
