"""Signing access tokens (RFC 9068); private keys stand encrypted in the database."""

import asyncio
import base64
import hashlib
from typing import Any

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jose import jwk, jwt
from pydantic import SecretStr
from sqlmodel import col, select

from service_kit.database import Database, Tx
from service_kit.database.doors import fetch
from service_kit.ids import uuid7
from service_kit.security.tokens import ALGORITHM, TOKEN_TYPE
from user_service.keys.models import SigningKey

ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('signing_keys'))"


class Signer:
    """Holds the private keys in memory, read once and again when asked."""

    def __init__(self, database: Database, encryption_secret: SecretStr) -> None:
        secret = hashlib.sha256(encryption_secret.get_secret_value().encode()).digest()
        self._cipher = Fernet(base64.urlsafe_b64encode(secret))
        self._database = database
        self._keys: dict[str, Any] = {}
        self._newest = ""

    async def sign(self, claims: dict[str, Any]) -> str:
        if not self._keys:
            await self.load()
        headers = {"typ": TOKEN_TYPE, "kid": self._newest}
        return jwt.encode(claims, self._keys[self._newest], ALGORITHM, headers=headers)

    async def load(self) -> None:
        """Reads the keys, and makes the first one where there is none."""
        async with self._database.tx() as tx:
            found = await _oldest_first(tx)
            if not found:
                await fetch(tx, ONE_AT_A_TIME)  # two processes that start together make one key
                found = await _oldest_first(tx) or [await self._make(tx)]
        # Each is read once: OpenSSL proves its primes anew at each reading, which takes 50 ms.
        self._keys = {key.id: self._keys.get(key.id) or self._read(key) for key in found}
        self._newest = found[-1].id

    async def public_keys(self) -> dict[str, Any]:
        """The JSON Web Key Set (RFC 7517)."""
        await self.load()
        return {
            "keys": [
                {**key.public_key().to_dict(), "kid": id, "use": "sig", "alg": ALGORITHM}
                for id, key in self._keys.items()
            ]
        }

    def _read(self, key: SigningKey) -> Any:
        return jwk.construct(self._cipher.decrypt(key.encrypted_private_key), ALGORITHM)

    async def _make(self, tx: Tx) -> SigningKey:
        made = await asyncio.to_thread(rsa.generate_private_key, public_exponent=65537, key_size=2048)
        pem = made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        key = SigningKey(id=uuid7().hex, encrypted_private_key=self._cipher.encrypt(pem))
        tx.add(key)
        return key


async def _oldest_first(tx: Tx) -> list[SigningKey]:
    return list((await tx.exec(select(SigningKey).order_by(col(SigningKey.created_at)))).all())
