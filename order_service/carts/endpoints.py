"""Carts over HTTP: of customers who are signed in, each their own."""

from typing import Annotated
from uuid import UUID

from fastapi import Request

from order_service.carts import queries, use_cases
from order_service.carts.schemas import CartOut, QuantityIn
from order_service.carts.use_cases import CartFull
from order_service.orders.pricing import ProductUnavailable
from service_kit.database import HotConn
from service_kit.http.answers import problems
from service_kit.http.router import Router
from service_kit.problems import NotFound
from service_kit.security import Principal, Requires

router = Router(prefix="/cart", tags=["cart"])

Reader = Annotated[Principal, Requires("carts:read")]
Writer = Annotated[Principal, Requires("carts:write")]


@router.get("", summary="My cart")
async def read_cart(connection: HotConn, who: Reader, request: Request) -> CartOut:
    """With today's prices and what is available; neither is promised before an order is placed."""
    return await _shown(connection, who, request)


@router.put(
    "/items/{product_id}",
    summary="Put a product into my cart",
    responses=problems(ProductUnavailable, CartFull),
)
async def put_item(product_id: UUID, body: QuantityIn, connection: HotConn, who: Writer, request: Request) -> CartOut:
    """So many of it, whether or not it was there before."""
    await use_cases.put(connection, who.user_id, product_id, body.quantity)
    return await _shown(connection, who, request)


@router.patch("/items/{product_id}", summary="Change how many", responses=problems(NotFound))
async def change_item(
    product_id: UUID, body: QuantityIn, connection: HotConn, who: Writer, request: Request
) -> CartOut:
    """Of a product that is in my cart."""
    await use_cases.change(connection, who.user_id, product_id, body.quantity)
    return await _shown(connection, who, request)


@router.delete("/items/{product_id}", status_code=204, summary="Take it out", responses=problems(NotFound))
async def remove_item(product_id: UUID, connection: HotConn, who: Writer) -> None:
    """A product that is in my cart."""
    await use_cases.remove(connection, who.user_id, product_id)


@router.delete("", status_code=204, summary="Empty my cart")
async def empty_cart(connection: HotConn, who: Writer) -> None:
    """Everything goes."""
    await queries.empty(connection, who.user_id)


async def _shown(connection: HotConn, who: Principal, request: Request) -> CartOut:
    return await use_cases.show(connection, who.user_id, request.app.state.runtime.settings.default_currency)
