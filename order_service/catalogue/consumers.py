"""Keeping our copies: snapshots, of which the newest counts."""

from contracts.events.products import ProductChanged, ProductDeleted
from contracts.events.stock_levels import StockChanged
from contracts.events.users import UserChanged, UserErased
from order_service.catalogue import queries
from order_service.people import queries as people_queries
from order_service.people import use_cases as people
from service_kit.database import HotTx
from service_kit.messaging import Envelope, consumes
from service_kit.security import standing


@consumes(ProductChanged, batch=True)
async def remember_products(tx: HotTx, events: list[ProductChanged]) -> None:
    """Our own copy of the catalogue, which orders are priced from."""
    await queries.upsert_products(tx, events)


@consumes(ProductDeleted, batch=True)
async def forget_products(tx: HotTx, events: list[ProductDeleted]) -> None:
    """Nobody can order them any more."""
    await queries.delete_products(tx, events)


@consumes(StockChanged, batch=True)
async def remember_stock(tx: HotTx, events: list[StockChanged]) -> None:
    """What carts show as available."""
    await queries.upsert_stock_levels(tx, events)


@consumes(UserChanged, batch=True)
async def remember_customers(tx: HotTx, events: list[UserChanged], envelopes: list[Envelope]) -> None:
    """Whom orders can be placed for, and what staff may do by now."""
    await queries.upsert_customers(tx, events)
    await standing.remember(tx, events, [envelope.time for envelope in envelopes])


@consumes(UserErased, batch=True)
async def forget_customers(tx: HotTx, events: list[UserErased]) -> None:
    """What we hold of them goes, also from their orders."""
    await queries.erase_customers(tx, events)
    await standing.forget(tx, events)
    erased = [event.user_id for event in events]
    await people.forget(tx, erased)
    await people_queries.forget_events(tx, erased)
