"""Recovers accounts from their snapshots, after the database was restored to an earlier moment.

Passwords, second factors, addresses and sessions are in no event. An account that was registered since comes back with
a password that nobody knows: its owner sets a new one by "forgot password". A password that was changed since is the
old one again, so the report names the accounts whose sessions were ended, as after a change of password. A customer
group that was made since comes back with its members, and without its name. A guest that was made since and gave no
address is lost: nobody can reach its cart any more. An API client that was created since is switched off.
"""

import secrets

from contracts.events import users as events
from contracts.permissions import Role
from service_kit.clock import utcnow
from service_kit.database import Statement, Transaction
from service_kit.messaging import outbox
from service_kit.recovery import JUMP, Journal, Recovery, newest_snapshots
from service_kit.replay import event_of
from service_kit.security import account_status
from user_service.passwords.hashing import Passwords
from user_service.settings import Settings

_UPDATE = Statement("""
UPDATE accounts SET email = :email, guest_email = :guest_email, full_name = :event.full_name,
    roles = string_to_array(:roles, ' '), email_verified = :event.email_verified, active = :event.active,
    version = :event.version, groups = coalesce(:event.groups::uuid[], groups), locale = :event.locale
WHERE id = :event.user_id
""")
_INSERT = Statement("""
INSERT INTO accounts (id, created_at, version, email, guest_email, full_name, password_hash, roles, email_verified,
                      active, groups, locale)
VALUES (:event.user_id, :now, :event.version, :email, :guest_email, :event.full_name, :password_hash,
        string_to_array(:roles, ' '), :event.email_verified, :event.active, coalesce(:event.groups::uuid[], '{}'),
        :event.locale)
""")
# Names of customer groups are in no event; without a row, nobody could remove their members.
_ADD_LOST_GROUPS = Statement("""
INSERT INTO customer_groups (id, created_at, version, name)
SELECT DISTINCT lost.id, now(), :version::int, 'recovered ' || lost.id FROM accounts, unnest(groups) AS lost (id)
ON CONFLICT (id) DO NOTHING
RETURNING id
""")
_ERASE = Statement("DELETE FROM accounts WHERE id = :id")
_ERASE_MAILS = Statement("DELETE FROM mails WHERE account_id = :id")
_END_SESSIONS = Statement("DELETE FROM sessions WHERE id = ANY(:ids::uuid[])")
_SET_CLIENT = Statement("UPDATE api_clients SET active = :active, version = :version WHERE id = :id")


async def recover(tx: Transaction, journal: Journal, settings: Settings) -> None:
    passwords = Passwords(memory_kib=settings.password_memory_kib, rounds=settings.password_rounds)
    unknown = await passwords.hash(secrets.token_urlsafe(32))
    passwords.close()
    for event in filter(None, map(event_of, journal.own)):
        if isinstance(event, events.SessionEnded):
            await _END_SESSIONS.execute(tx, ids=event.session_ids)
            await account_status.end_sessions(tx, event)
            journal.note("accounts whose sessions were ended: a changed password is the old one again", event.user_id)
    for event in newest_snapshots(journal):
        if isinstance(event, events.UserErased):
            await _erase(tx, journal, event)
        elif isinstance(event, events.UserMerged):
            await _merge(tx, journal, event)
        elif isinstance(event, events.UserChanged):
            await _store(tx, journal, event.model_copy(update={"version": event.version + JUMP}), unknown)
        elif isinstance(event, events.ApiClientChanged):
            await _set_client(tx, journal, event)
    lost = await _ADD_LOST_GROUPS.fetch(tx, version=JUMP)
    journal.note("customer groups whose names are lost: rename them", *(id for (id,) in lost))


async def _store(tx: Transaction, journal: Journal, event: events.UserChanged, unknown: str) -> None:
    is_guest = event.roles == [Role.GUEST]
    addresses = {
        "email": str(event.user_id) if is_guest else event.email,
        "guest_email": event.email if is_guest else None,
    }
    values = {"event": event, "roles": " ".join(event.roles), **addresses}
    if not await _UPDATE.execute(tx, **values):
        await _INSERT.execute(tx, **values, now=utcnow(), password_hash=unknown)
        if not is_guest:
            journal.note("accounts without a password: their owners must set one", event.user_id)
    await _publish(tx, event)
    journal.found["accounts recovered"] += 1


async def _erase(tx: Transaction, journal: Journal, event: events.UserErased) -> None:
    await _ERASE_MAILS.execute(tx, id=event.user_id)
    await _ERASE.execute(tx, id=event.user_id)
    await account_status.erase(tx, [event])
    await outbox.delete_published(tx, str(event.user_id))
    journal.note("accounts erased again", event.user_id)


async def _merge(tx: Transaction, journal: Journal, event: events.UserMerged) -> None:
    """The addresses in the guest's address book are lost: no event has them."""
    await _ERASE_MAILS.execute(tx, id=event.user_id)
    await _ERASE.execute(tx, id=event.user_id)
    await account_status.merge(tx, [event])
    await outbox.delete_published(tx, str(event.user_id))
    journal.note("guests merged again", event.user_id)


async def _set_client(tx: Transaction, journal: Journal, event: events.ApiClientChanged) -> None:
    version = event.version + JUMP
    is_known = await _SET_CLIENT.execute(tx, id=event.user_id, active=event.active, version=version)
    if not is_known:
        journal.note("API clients switched off: their secrets are lost", event.user_id)
    again = event.model_copy(update={"version": version, "active": event.active and bool(is_known)})
    await _publish(tx, again)


async def _publish(tx: Transaction, event: events.UserChanged | events.ApiClientChanged) -> None:
    await outbox.add(tx, event)
    await account_status.update(tx, [event], [utcnow()])


RECOVERY = Recovery(recover)
