"""Every statement about payment links."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from order_service.drafts.models import DraftStatus
from order_service.orders.models import BEFORE_PAID
from order_service.payment_links.models import PaymentLink
from service_kit.database import Connection, Statement, Transaction, insert

_PUT = f"""
{insert("added", PaymentLink)}
ON CONFLICT ({{subject}}) DO UPDATE SET secret_hash = excluded.secret_hash RETURNING id
"""
_PUT_OF_DRAFT = Statement(_PUT.format(subject="draft_id"))
_PUT_OF_ORDER = Statement(_PUT.format(subject="order_id"))
_DELETE_OF_DRAFT = Statement("""
DELETE FROM payment_links WHERE draft_id = (SELECT id FROM drafts WHERE order_id = :order_id)
""")
_FIND = Statement("""
SELECT l.id, l.secret_hash, l.draft_id, coalesce(l.order_id, d.order_id) AS order_id, d.status AS draft_status,
       d.expires_at AS draft_expires_at, o.number::text AS order_number, o.status AS order_status, o.pay_by, o.currency,
       coalesce(o.customer_id, d.customer_id) AS customer_id,
       o.total - o.captured + o.refunded + o.refunding AS to_pay
FROM payment_links l LEFT JOIN drafts d ON d.id = l.draft_id
LEFT JOIN orders o ON o.id = coalesce(l.order_id, d.order_id)
WHERE l.id = :id
""")
_COUNT_INVALID = Statement("""
INSERT INTO invalid_link_attempts AS counted (address, attempts, since) VALUES (:address, 1, now())
ON CONFLICT (address) DO UPDATE SET
    attempts = CASE WHEN counted.since > now() - :window::interval THEN counted.attempts + 1 ELSE 1 END,
    since = CASE WHEN counted.since > now() - :window::interval THEN counted.since ELSE now() END
RETURNING attempts, since
""")
PRUNE_INVALID = Statement("DELETE FROM invalid_link_attempts WHERE since < now() - :window::interval")


@dataclass(frozen=True, slots=True)
class Linked:
    """A link, and the draft or order that it is for, as they were read. `order_id` None: a draft that is no order yet,
    of which the order's fields are None too."""

    id: UUID
    secret_hash: bytes
    draft_id: UUID | None
    order_id: UUID | None
    draft_status: str | None
    draft_expires_at: datetime | None
    order_number: str | None
    order_status: str | None
    pay_by: datetime | None
    currency: str | None
    customer_id: UUID
    to_pay: int | None

    @property
    def expires_at(self) -> datetime:
        found = self.draft_expires_at if self.order_id is None else self.pay_by
        assert found is not None
        return found

    def is_open(self, now: datetime) -> bool:
        """Whether what it is for can still be paid."""
        if self.expires_at <= now:
            return False
        return self.draft_status == DraftStatus.OPEN if self.order_id is None else self.order_status in BEFORE_PAID


async def put_of_draft(tx: Transaction, link: PaymentLink) -> UUID:
    """Replaces the draft's link; returns its id."""
    found: UUID = await _PUT_OF_DRAFT.fetchval(tx, added=[link])
    return found


async def put_of_order(tx: Transaction, link: PaymentLink) -> UUID:
    """Replaces the order's link, and that of the draft that it was; returns its id."""
    await _DELETE_OF_DRAFT.execute(tx, order_id=link.order_id)
    found: UUID = await _PUT_OF_ORDER.fetchval(tx, added=[link])
    return found


async def find(db: Connection, link_id: UUID) -> Linked | None:
    return await _FIND.fetchrow_as(db, Linked, id=link_id)


async def count_invalid(db: Connection, address: str, window: timedelta) -> tuple[int, datetime]:
    """Counts an invalid link from this address; returns how many there were in the window, and when that began."""
    attempts, since = await _COUNT_INVALID.fetchrow(db, address=address, window=window)
    return attempts, since
