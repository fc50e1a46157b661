"""A conventional endpoint that reads a product: `uvicorn benchmarks.naive.products:create --factory`."""

from uuid import UUID

from fastapi import FastAPI, Response
from sqlmodel import Session, select

from benchmarks.naive.application import DbSession, new_application
from contracts.money import Money
from contracts.pricing import unit_price as price_of
from product_service.availability.models import Availability
from product_service.products.models import Product, Status
from product_service.products.prices import ScheduledPrice
from product_service.products.schemas import AvailabilityOut, ProductOut, Rating
from product_service.reviews.models import ReviewStats
from product_service.reviews.schemas import RatingOut
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
    shown = product.model_dump(include=set(ProductOut.model_fields)) | {"external_ids": None}
    return ProductOut(
        **shown,
        metadata=None,
        rating=_rating(session, product),
        reduction=None,
        price=Money(amount=product.price_amount, currency=product.price_currency),
        unit_price=unit_price,
        availability=AvailabilityOut(
            available=availability.available if availability else 0,
            on_hand=availability.on_hand if availability else 0,
            reserved=availability.reserved if availability else 0,
            updated_at=availability.updated_at if availability else None,
        ),
    )


def _rating(session: Session, product: Product) -> Rating | None:
    stats = session.get(ReviewStats, product.family_id or product.id)
    if stats is None:
        return None
    found = RatingOut.of(stats)
    return Rating(average=str(found.average), count=found.count)


def _unit_price(session: Session, product: Product, quantity: int) -> Money:
    """The lowest price of all tiers for this quantity. In each tier the price with the latest start applies."""
    now = utcnow()
    base = ScheduledPrice(
        product_id=product.id,
        amount=product.price_amount,
        currency=product.price_currency,
        min_quantity=1,
        starts_at=product.created_at,
    )
    prices = session.exec(
        select(ScheduledPrice).where(
            ScheduledPrice.product_id == product.id,
            ScheduledPrice.currency == product.price_currency,
            ScheduledPrice.min_quantity <= quantity,
            ScheduledPrice.starts_at <= now,
        )
    ).all()
    amount = price_of([base, *prices], quantity, product.price_currency, now)
    assert amount is not None  # there is always a base price
    return Money(amount=amount, currency=product.price_currency)
