"""Signs access tokens (RFC 9068) with the current key."""

import asyncio
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jose import jwk, jwt

from service_kit.clock import utcnow
from service_kit.database import Database, Session
from service_kit.ids import uuid7
from service_kit.security.tokens import ALGORITHM, TOKEN_TYPE
from user_service.keys import queries
from user_service.keys.models import Schedule, SigningKey
from user_service.keys.vault import Vault


class Signer:
    """Keeps the private keys in memory. It reads them again as often as verifiers fetch the public keys."""

    def __init__(self, database: Database, vault: Vault, schedule: Schedule) -> None:
        self.schedule = schedule
        self._database = database
        self._vault = vault
        self._keys: dict[str, Any] = {}
        self._found: list[SigningKey] = []
        self._read_at: datetime | None = None

    async def sign(self, claims: dict[str, Any]) -> str:
        if self._read_at is None or utcnow() - self._read_at >= self.schedule.refresh:
            await self.load()
        now = utcnow()
        first, *later = self._found  # it signs even before `signs_from`: another process's clock may have set that
        id = [key.id for key in (first, *(key for key in later if key.signs_from <= now))][-1]
        headers = {"typ": TOKEN_TYPE, "kid": id}
        return jwt.encode(claims, self._keys[id], ALGORITHM, headers=headers)

    async def load(self) -> None:
        """Reads the keys, and creates the first one if there is none."""
        async with self._database.session() as tx:
            found = await queries.in_order(tx)
            if not found:
                await queries.lock_keys(tx)  # so that processes that start together create only one key
                found = await queries.in_order(tx) or [await add_key(tx, self._vault, signs_from=utcnow())]
        now = utcnow()
        self._found = self.schedule.published(found, now)
        self._keys = {key.id: self._keys.get(key.id) or self._read(key) for key in self._found}
        self._read_at = now

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
        # OpenSSL need not check the primes, which takes 50 ms: we made them, and the vault authenticates them.
        pem = self._vault.decrypt(key.encrypted_private_key)
        found = serialization.load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
        return jwk.construct(found, ALGORITHM)  # type: ignore[arg-type]  # it takes such keys too


async def add_key(tx: Session, vault: Vault, signs_from: datetime) -> SigningKey:
    """Creates a key. Call it in a transaction that has called `queries.lock_keys`."""
    made = await asyncio.to_thread(rsa.generate_private_key, public_exponent=65537, key_size=2048)
    pem = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key = SigningKey(id=uuid7().hex, encrypted_private_key=vault.encrypt(pem), signs_from=signs_from)
    tx.add(key)
    await tx.flush()
    return key
