"""Encryption of secrets that are stored in the database."""

import base64
import hashlib
import hmac
from datetime import timedelta

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr


class Vault:
    """Encrypts with the present secret, and decrypts with either, so that the secret can be changed."""

    def __init__(self, secret: SecretStr, former: SecretStr | None = None) -> None:
        self._keys = [_key(each) for each in (secret, former) if each is not None and each.get_secret_value()]
        self._present = Fernet(self._keys[0])
        self._any = MultiFernet([Fernet(key) for key in self._keys])

    def encrypt(self, plain: bytes) -> bytes:
        return self._any.encrypt(plain)

    def decrypt(self, encrypted: bytes, within: timedelta | None = None) -> bytes:
        """Raises: InvalidToken, also if it was encrypted longer ago than `within`."""
        return self._any.decrypt(encrypted, ttl=None if within is None else int(within.total_seconds()))

    def renewed(self, encrypted: bytes) -> bytes | None:
        """The data encrypted with the present secret; None if it is already."""
        try:
            self._present.decrypt(encrypted)
        except InvalidToken:
            return self._any.rotate(encrypted)
        return None

    def derive(self, purpose: str, value: str) -> list[bytes]:
        """32 bytes that can't be predicted without the secret: from the present one, and then from the former one."""
        return [hmac.digest(key, f"{purpose}:{value}".encode(), "sha256") for key in self._keys]


def _key(secret: SecretStr) -> bytes:
    return base64.urlsafe_b64encode(hashlib.sha256(secret.get_secret_value().encode()).digest())
