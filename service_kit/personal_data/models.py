"""What a service declares about the personal data that it holds."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from contracts.events.users import UserChanged, UserMerged
from service_kit.database import AnySession, Statement, Transaction

Erase = Callable[[Transaction, Sequence[UUID]], Awaitable[None]]
"""Takes the ids of erased accounts, in ascending order. It must be safe to repeat."""
Merge = Callable[[Transaction, Sequence[UserMerged]], Awaitable[None]]
"""Takes the events of merged accounts, in ascending order of their ids. It must be safe to repeat."""


@dataclass(frozen=True)
class Section:
    """A list in the export: the rows of `table` that meet the condition `where`, each as `json`.

    They are read in the order of `id`, a UUID, at most `page` at a time, which limits the memory for an export.
    """

    name: str
    table: str
    where: str = "customer_id = :account_id"
    json: str = "to_jsonb({table})"
    id: str = "id"
    page: int = 200

    async def read(self, db: AnySession, account_id: UUID, after: UUID) -> Sequence[Any]:
        """The next page after an id: each row's id and its JSON as text."""
        statement = Statement(f"""
            SELECT {self.id}, ({self.json.format(table=self.table.split()[-1])})::text FROM {self.table}
            WHERE ({self.where}) AND {self.id} > :after ORDER BY {self.id} LIMIT :limit
        """)  # noqa: S608 (no input in it)
        return await statement.fetch(db, account_id=account_id, after=after, limit=self.page)


@dataclass(frozen=True, kw_only=True)
class PersonalData:
    """All personal data of one service."""

    sections: Sequence[Section]
    """The kit adds `account_status` and `audit_log`, unless the service has a section of that name."""
    erase: Erase | None
    """Called when an account was erased. None only in the user service, which erases in the transaction that publishes
    `user.erased`."""
    erase_late: Erase | None = None
    """Called each minute for 90 days, for data that could not be erased at first, or was added afterwards by a process
    that still accepted the token."""
    merge: Merge | None = None
    """Called when a guest's account became part of a registered one, and each minute for 90 days, for data that was
    added under the guest's id since. Repeating it must change nothing. If the registered account was erased, `erase` is
    called instead. None: the service has no data of customers."""
    on_user_changed: Callable[[Transaction, Sequence[UserChanged]], Awaitable[None]] | None = None
    """For a service that copies more of an account than its status. Called with the newest event of each account."""
    on_export: Callable[..., Any] | None = None
    """A FastAPI dependency of the export's endpoint."""


async def nothing_to_erase(_: Transaction, __: Sequence[UUID]) -> None:
    """The `erase` of a service that has no personal data except the account status."""
