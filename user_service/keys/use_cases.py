"""Publishes and rotates the keys of access tokens. A regular rotation invalidates no token."""

from collections.abc import Iterable

import structlog

from service_kit.clock import utcnow
from service_kit.database import Database
from service_kit.runtime import Runtime
from service_kit.security.keys import FetchKeys
from user_service.keys import queries
from user_service.keys.models import Schedule, SigningKey
from user_service.keys.signer import Signer, add_key
from user_service.keys.vault import Vault

log = structlog.get_logger(__name__)


def published_keys(runtime: Runtime) -> FetchKeys:
    """How this service itself gets the keys to verify with: from the signer, without a request to its own API."""
    return lambda: runtime.resource(Signer).public_keys()


async def rotate(database: Database, vault: Vault, schedule: Schedule) -> SigningKey:
    """Publishes a new key, which signs once all verifiers have fetched it. If a key is published already and does not
    sign yet, returns that one instead."""
    async with database.session() as tx:
        await queries.lock_keys(tx)
        found, now = await queries.in_order(tx), utcnow()
        if found and found[-1].signs_from > now:
            return found[-1]
        return await add_key(tx, vault, now + schedule.lead_time if found else now)


async def replace_at_once(database: Database, vault: Vault) -> SigningKey:
    """Replaces a compromised key: a new key signs now, and no other is published any more.

    Until a service has fetched the keys again, it rejects new tokens; afterwards it rejects the old ones.
    """
    async with database.session() as tx:
        await queries.lock_keys(tx)
        key = await add_key(tx, vault, utcnow())
        await queries.remove_all_but(tx, [key.id])
        return key


async def maintain_keys(runtime: Runtime) -> None:
    """A job that starts a rotation when the newest key has signed for its lifetime, removes keys whose tokens have all
    expired, and re-encrypts keys that were encrypted with the former secret."""
    signer, vault = runtime.resource(Signer), runtime.resource(Vault)
    async with runtime.database.session() as tx:
        await queries.lock_keys(tx)
        found, now = await queries.in_order(tx), utcnow()
        if signer.schedule.rotation_due(found, now):
            found.append(await add_key(tx, vault, now + signer.schedule.lead_time))
            log.info("signing_key_made", kid=found[-1].id, signs_from=found[-1].signs_from.isoformat())
        kept = signer.schedule.published(found, now)
        if len(kept) < len(found):
            await queries.remove_all_but(tx, [key.id for key in kept])
            log.info("signing_keys_retired", kids=[key.id for key in found if key not in kept])
        _encrypt_again(vault, kept)


async def encrypt_again(database: Database, vault: Vault) -> int:
    """Encrypts with the present secret what was encrypted with the former one. Returns for how many keys."""
    async with database.session() as tx:
        await queries.lock_keys(tx)
        return _encrypt_again(vault, await queries.in_order(tx))


def _encrypt_again(vault: Vault, keys: Iterable[SigningKey]) -> int:
    changed = [(key, renewed) for key in keys if (renewed := vault.renewed(key.encrypted_private_key))]
    for key, renewed in changed:
        key.encrypted_private_key = renewed
    return len(changed)
