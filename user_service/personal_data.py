"""What this service holds about people. Not exported: what proves who they are, such as hashes of passwords."""

from typing import Annotated

from service_kit.http.sessions import Session
from service_kit.messaging import outbox
from service_kit.personal_data import PersonalData, Section
from service_kit.runtime import Runtime
from service_kit.security import Principal, Requires, account_status
from user_service.audit.endpoints import FromWhere
from user_service.audit.models import Action
from user_service.audit.use_cases import record

# From where others acted is theirs to know; from where somebody tried to sign in is told.
AUDITED = """
SELECT id, (CASE WHEN actor_id <> $1 THEN to_jsonb(entry) - '{address, user_agent, session_id}'::text[]
                 ELSE to_jsonb(entry) END)::text
FROM audit_log AS entry WHERE (actor_id = $1 OR subject_id = $1) AND id > $2 ORDER BY id LIMIT $3
"""


def _of_account(
    name: str, table: str | None = None, *, account: str = "account_id", id: str = "id", without: str = ""
) -> Section:
    """The rows of a table whose column `account` is the account's id. `id`: a UUID, different in each of them."""
    table = table or name
    row = f"(to_jsonb({table}) - '{without}')::text"
    where = f"{account} = $1 AND {id} > $2 ORDER BY {id} LIMIT $3"
    return Section(name, f"SELECT {id}, {row} FROM {table} WHERE {where}")  # noqa: S608 (names of this module alone)


SECTIONS = [
    _of_account("account", "accounts", account="id", without="password_hash"),
    _of_account("addresses"),
    _of_account("sessions"),
    _of_account("api_clients", account="owner_id"),
    _of_account("second_factor", "second_factors", id="account_id", without="encrypted_secret"),
    _of_account("known_addresses", id="md5(address)::uuid"),
    Section(
        "mails_to_send",
        """
        SELECT id, to_jsonb(mails)::text FROM mails
        WHERE (account_id = $1 OR account_id IS NULL AND email = (SELECT email FROM accounts WHERE id = $1))
          AND id > $2 ORDER BY id LIMIT $3
        """,
    ),
    Section("audit_log", AUDITED),
]


async def record_export(tx: Session, origin: FromWhere, who: Annotated[Principal, Requires("users:read")]) -> None:
    """An export is recorded, since a thief may have asked for it."""
    record(tx, origin.by(who), Action.DATA_EXPORTED, who.user_id)


PERSONAL_DATA = PersonalData(sections=SECTIONS, erase=None, on_export=record_export)


async def republish_erasures(runtime: Runtime) -> None:
    """A job: publishes `user.erased` once more, a day later.

    The broker compacts closed segments only, and closes a segment when a record arrives after its day: in a partition
    without other traffic the account's last snapshot would stay. Repeating is harmless, and erases from the other
    services what they could not erase the first time.
    """
    async with runtime.database.transaction() as tx:
        for event in await account_status.erased_a_day_ago(tx):
            await outbox.add(tx, event)
            await outbox.delete_published(tx, event.subject)
