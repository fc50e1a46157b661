"""Reading a product as most people write it: `uvicorn benchmarks.naive.products:create --factory`."""

from uuid import UUID

from fastapi import FastAPI, Response
from sqlmodel import Session, col, select

from benchmarks.naive.application import DbSession, new_application
from contracts.money import Money
from product_service.availability.models import Availability
from product_service.prices.models import ScheduledPrice
from product_service.products.models import Product, Status
from product_service.products.schemas import AvailabilityOut, ProductOut
from service_kit.clock import utcnow
from service_kit.problems import not_found


def create() -> FastAPI:
    app = new_application()
    app.get("/products/{product_id}")(read_product)
    return app


def read_product(product_id: UUID, session: DbSession, response: Response, quantity: int = 1) -> ProductOut:
    product = session.get(Product, product_id)
    if product is None or product.status != Status.ACTIVE:
        not_found(Product, product_id)
    availability = session.get(Availability, product_id)
    unit_price = _unit_price(session, product, quantity)
    version = availability.version if availability else 0
    response.headers["ETag"] = f'"{product.version}.{version}.{unit_price.amount}"'
    return ProductOut(
        **product.model_dump(exclude={"price_amount", "price_currency"}),
        price=product.price,
        unit_price=unit_price,
        availability=AvailabilityOut(
            available=availability.available if availability else 0,
            on_hand=availability.on_hand if availability else 0,
            reserved=availability.reserved if availability else 0,
            updated_at=availability.updated_at if availability else None,
        ),
    )


def _unit_price(session: Session, product: Product, quantity: int) -> Money:
    """The highest tier that the quantity reaches, and in it the price that began last."""
    now = utcnow()
    prices = session.exec(
        select(ScheduledPrice)
        .where(
            ScheduledPrice.product_id == product.id,
            ScheduledPrice.currency == product.price_currency,
            ScheduledPrice.min_quantity <= quantity,
            ScheduledPrice.starts_at <= now,
        )
        .order_by(col(ScheduledPrice.min_quantity).desc(), col(ScheduledPrice.starts_at).desc())
    ).all()
    for price in prices:
        if price.ends_at is None or price.ends_at > now:
            return Money(amount=price.amount, currency=price.currency)
    return product.price
