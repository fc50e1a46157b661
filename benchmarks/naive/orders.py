"""A conventional endpoint that places an order: `uvicorn benchmarks.naive.orders:create --factory`."""

import hashlib
from datetime import datetime, timedelta
from typing import Annotated, cast

from fastapi import FastAPI, Header, Response
from sqlalchemy import null
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from benchmarks.naive.application import Caller, DbSession, SignedIn, new_application
from benchmarks.naive.models import IdempotencyEntry, OutboxEntry
from contracts.address import Address
from contracts.events import Event
from contracts.events.inventory_deduction import ReservationRequested
from contracts.events.order_notification import NAMED_LINES, OrderedLine, OrderPlaced
from contracts.money import Money
from contracts.quantity import ProductQuantity
from order_service.catalogue.models import PRICES, CatalogueProduct, Product
from order_service.orders.models import Actor, FulfilmentStatus, HistoryEntry, Order, OrderLine, Status
from order_service.orders.schemas import OrderIn, OrderOut
from order_service.pricing.lines import QuoteLine
from order_service.pricing.quotes import quote_order
from service_kit.clock import utcnow
from service_kit.http.idempotency import replay
from service_kit.idempotency import IdempotencyKeyMissing, IdempotencyKeyReused, StoredResponse

OPERATION = "POST /orders"


def create() -> FastAPI:
    app = new_application()
    app.post("/orders", status_code=201, response_model=OrderOut)(place_order)
    return app


def place_order(
    body: OrderIn, session: DbSession, who: SignedIn, idempotency_key: Annotated[str | None, Header()] = None
) -> Response:
    """Accepts only the requests of the benchmark: customers' own orders, with lines."""
    who.needs("orders:write")
    if not idempotency_key:
        raise IdempotencyKeyMissing
    body_hash = hashlib.sha256(body.model_dump_json().encode()).digest()
    if stored := session.get(IdempotencyEntry, (who.user_id, OPERATION, idempotency_key)):
        return _stored_response(stored, body_hash)
    now = utcnow()
    order, lines = _store(session, body, who, now)
    answer = OrderOut.of(order, lines).model_dump_json().encode()
    location = f"/orders/{order.id}"
    session.add(
        IdempotencyEntry(
            user_id=who.user_id,
            operation=OPERATION,
            key=idempotency_key,
            body_hash=body_hash,
            status=201,
            body=answer,
            location=location,
            created_at=now,
        )
    )
    etag = f'"{order.version}"'
    try:
        session.commit()
    except IntegrityError:  # a concurrent duplicate of the request
        session.rollback()
        duplicate = session.get(IdempotencyEntry, (who.user_id, OPERATION, idempotency_key))
        assert duplicate is not None
        return _stored_response(duplicate, body_hash)
    return Response(answer, 201, {"Location": location, "ETag": etag}, media_type="application/json")


def _stored_response(stored: IdempotencyEntry, body_hash: bytes) -> Response:
    if stored.body_hash != body_hash:
        raise IdempotencyKeyReused
    return replay(StoredResponse(stored.status, stored.body or b"", stored.location))


def _store(session: Session, body: OrderIn, who: Caller, now: datetime) -> tuple[Order, list[OrderLine]]:
    wanted = body.lines or []
    found = [session.get(CatalogueProduct, line.product_id) for line in wanted]
    products = {each.product_id: _product(each) for each in found if each is not None}
    quote = quote_order(wanted, products, now, asked=body.currency, preferred="GBP")
    order = Order(  # type: ignore[call-arg]  # the database sets its number
        customer_id=who.user_id,
        status=Status.PENDING,
        fulfilment_status=FulfilmentStatus.UNFULFILLED,
        currency=quote.currency,
        total=quote.total,
        pay_by=now + timedelta(hours=24),
        ship_to=body.ship_to.model_dump(),
        created_at=now,
        status_since=now,
        version=2,
    )
    session.add(order)
    session.flush()  # sets its number
    lines = [_line(order, position, line) for position, line in enumerate(quote.lines, 1)]
    session.add_all(lines)
    session.add(
        HistoryEntry(
            order_id=order.id, version=2, at=now, trigger="placed", from_status=None, to_status=Status.PENDING,
            actor=Actor.CUSTOMER, actor_id=who.user_id, reason=None, details=cast(None, null()),
        )
    )  # fmt: skip
    session.add_all(OutboxEntry.of(event, now) for event in _events(order, lines))
    return order, lines


def _product(row: CatalogueProduct) -> Product:
    return Product(row.product_id, row.sku, row.name, row.status, PRICES.validate_python(row.prices))


def _line(order: Order, position: int, line: QuoteLine) -> OrderLine:
    return OrderLine(
        order_id=order.id,
        position=position,
        product_id=line.product_id,
        sku=line.sku,
        name=line.name,
        quantity=line.quantity,
        unit_price=line.unit_price,
    )


def _ordered(line: OrderLine) -> OrderedLine:
    named = {"sku": line.sku, "name": line.name} if line.position <= NAMED_LINES else {}
    return OrderedLine(product_id=line.product_id, quantity=line.quantity, unit_price=line.unit_price, **named)


def _events(order: Order, lines: list[OrderLine]) -> list[Event]:
    placed = OrderPlaced(
        order_id=order.id,
        version=1,
        number=str(order.number),
        customer_id=order.customer_id,
        total=Money(amount=order.total, currency=order.currency),
        lines=[_ordered(line) for line in lines],
        ship_to=Address.model_validate(order.ship_to),
        discount=0,
        shipping=0,
        tax=0,
    )
    reserve = ReservationRequested(
        order_id=order.id,
        version=2,
        lines=[ProductQuantity(product_id=line.product_id, quantity=line.quantity) for line in lines],
        reserved_until=order.pay_by + timedelta(minutes=30),
    )
    return [placed, reserve]
