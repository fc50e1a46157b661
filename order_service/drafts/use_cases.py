"""What staff do with drafts."""

from collections.abc import Sequence
from uuid import UUID

from order_service.drafts import queries
from order_service.drafts.models import Draft, DraftStatus
from order_service.drafts.schemas import DraftChangeIn, DraftIn, order_of
from order_service.orders import metrics, placing, placing_queries
from order_service.orders.placing import CustomerInactive, CustomerUnknown, Placed
from order_service.orders.schemas import Total
from order_service.pricing.places import Destination
from order_service.pricing.quotes import Quote, quote_with_problems
from order_service.quotes import queries as quote_queries
from order_service.rules.holder import RulesHolder
from order_service.rules.terms import terms_of
from order_service.settings import Settings
from service_kit import idempotency
from service_kit.clock import utcnow
from service_kit.concurrency import Expected
from service_kit.database import Connection, Transaction
from service_kit.idempotency import Key, StoredResponse
from service_kit.problems import Busy, Forbidden, Problem
from service_kit.runtime import Runtime
from service_kit.security import Principal, account_status

AGREE_PRICE = "orders:agree-price"


async def create(tx: Transaction, wanted: DraftIn, who: Principal, settings: Settings) -> Draft:
    """Raises: Forbidden, PermissionRevoked, CustomerUnknown, CustomerInactive."""
    await _check_agreed_prices(tx, wanted, who)
    is_active = await queries.customer_is_active(tx, wanted.customer_id)
    if is_active is None:
        raise CustomerUnknown(customer_id=wanted.customer_id, retry_after=1)
    if not is_active:
        raise CustomerInactive(customer_id=wanted.customer_id)
    draft = Draft(
        customer_id=wanted.customer_id,
        content=wanted.stored(),
        note=wanted.note,
        expires_at=utcnow() + settings.draft_expires_within,
        created_by=who.user_id,
    )
    await queries.add(tx, draft)
    return draft


async def change(tx: Transaction, draft_id: UUID, wanted: DraftChangeIn, expected: Expected, who: Principal) -> Draft:
    """Raises: NotFound, PreconditionFailed, DraftNotOpen, Forbidden, PermissionRevoked."""
    await _check_agreed_prices(tx, wanted, who)
    draft = await queries.lock(tx, draft_id)
    expected.check(draft.version)
    draft.change(wanted.stored(), wanted.note, utcnow())
    await queries.save(tx, draft)
    return draft


async def drop(tx: Transaction, draft_id: UUID, expected: Expected) -> None:
    """Raises: NotFound, PreconditionFailed, DraftNotOpen."""
    draft = await queries.lock(tx, draft_id)
    expected.check(draft.version)
    draft.drop(utcnow())
    await queries.save(tx, draft)


async def quote(
    db: Connection | Transaction, draft: Draft, rules: RulesHolder, preferred_currency: str
) -> tuple[Quote | None, Sequence[Problem]]:
    """What the draft would cost now, and why it could not be placed; None: it is not open."""
    if draft.status != DraftStatus.OPEN:
        return None, []
    wanted = order_of(draft)
    row, lines, products = await quote_queries.read(db, draft.customer_id, wanted)
    to = Destination(wanted.ship_to.country, wanted.ship_to.region, wanted.ship_to.postal_code)
    terms = await terms_of(db, row, rules, to, wanted.shipping_method)
    asked = wanted.currency
    return quote_with_problems(lines, products, utcnow(), asked=asked, preferred=preferred_currency, terms=terms)


async def place(
    runtime: Runtime,
    draft_id: UUID,
    key: Key,
    actor_id: UUID | None,
    expected: Expected,
    expected_total: Total | None,
) -> Placed | StoredResponse:
    """Places the draft as an order, once: the order and the draft's new status are committed together.

    `actor_id` None: the customer, by a payment link. Raises: NotFound, PreconditionFailed, DraftNotOpen, Busy, and what
    `placing.place_within` raises.
    """
    placed: Placed | StoredResponse | None = None
    for _ in range(2):  # when a code is used up meanwhile, the next reading of the codes says which
        try:
            async with runtime.database.transaction() as tx:
                placed = await _place(tx, runtime, draft_id, key, actor_id, expected, expected_total)
            break
        except placing_queries.PromotionLimitReached:
            continue
    if placed is None:
        raise Busy(retry_after=1)
    if isinstance(placed, Placed):
        metrics.PLACED.inc()
    return placed


async def _place(
    tx: Transaction,
    runtime: Runtime,
    draft_id: UUID,
    key: Key,
    actor_id: UUID | None,
    expected: Expected,
    expected_total: Total | None,
) -> Placed | StoredResponse:
    draft = await queries.lock(tx, draft_id)
    by, details = actor_id or draft.customer_id, {"draft_id": draft.id, "by_payment_link": actor_id is None}
    if stored := await idempotency.find(tx, by, key):
        return stored
    expected.check(draft.version)
    draft.check_open(utcnow())
    settings, rules = runtime.resource(Settings), runtime.resource(RulesHolder)
    wanted = order_of(draft, expected_total)
    placed = await placing.place_within(tx, wanted, key, by, settings, rules, details)
    if isinstance(placed, Placed):
        draft.placed_as(placed.order.id)
        await queries.save(tx, draft)
    return placed


async def _check_agreed_prices(tx: Transaction, wanted: DraftChangeIn, who: Principal) -> None:
    """Raises: Forbidden, PermissionRevoked."""
    if not wanted.has_agreed_prices:
        return
    if not who.may(AGREE_PRICE):
        raise Forbidden(permission=AGREE_PRICE)
    await account_status.check(tx, who, [AGREE_PRICE])
