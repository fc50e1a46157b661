"""The personal data of this service. Credentials, such as hashes of passwords, are not exported."""

from typing import Annotated

from service_kit.http.sessions import Session
from service_kit.messaging import outbox
from service_kit.personal_data import PersonalData, Section
from service_kit.runtime import Runtime
from service_kit.security import account_status
from user_service.audit.endpoints import acting
from user_service.audit.models import Action, Actor
from user_service.audit.use_cases import record

OWN = "account_id = :account_id"
# The address and session of another person who acted are left out. Those of failed sign-ins (no actor) are included.
AUDITED = """
CASE WHEN actor_id <> :account_id THEN to_jsonb({table}) - '{{address, user_agent, session_id}}'::text[]
     ELSE to_jsonb({table}) END
"""
MAILS = f"{OWN} OR account_id IS NULL AND email = (SELECT email FROM accounts WHERE id = :account_id)"  # noqa: S608 (no input in it)
SECTIONS = [
    Section("account", "accounts", "id = :account_id", "to_jsonb({table}) - 'password_hash'"),
    Section("addresses", "addresses", OWN),
    Section("sessions", "sessions", OWN),
    Section("api_clients", "api_clients", "owner_id = :account_id"),
    Section("second_factor", "second_factors", OWN, "to_jsonb({table}) - 'encrypted_secret'", id="account_id"),
    Section("known_addresses", "known_addresses", OWN, id="md5(address)::uuid"),
    Section("mails_to_send", "mails", MAILS),
    Section("audit_log", "audit_log", "actor_id = :account_id OR subject_id = :account_id", AUDITED),
]


async def record_export(tx: Session, me: Annotated[Actor, acting("users:read")]) -> None:
    """Records the export in the audit log, since someone who stole the access token may have requested it."""
    record(tx, me, Action.DATA_EXPORTED, me.id)


PERSONAL_DATA = PersonalData(sections=SECTIONS, erase=None, on_export=record_export)


async def republish_erasures(runtime: Runtime) -> None:
    """A job that publishes `user.erased` or `user.merged` again, one to two days after the erasure or the merge.

    Kafka compacts only closed segments, and closes a segment only when a record arrives after `segment.ms` (a day). In
    a partition without other traffic, the account's last snapshot would never be removed. A repeated event is harmless,
    and makes the other services erase what they could not erase the first time.
    """
    async with runtime.database.transaction() as tx:
        for event in await account_status.ended_a_day_ago(tx):
            await outbox.add(tx, event)
            await outbox.delete_published(tx, event.subject)
