"""Carts over HTTP: signed-in customers read and change their own cart."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from order_service.carts import use_cases
from order_service.carts.schemas import CartOut, CodesIn, MergeIn, QuantityIn
from order_service.carts.use_cases import CartFull, GuestTokenNotGood
from order_service.pricing.places import Destination
from order_service.pricing.quotes import ProductUnavailable
from order_service.promotions import guesses
from order_service.promotions.guesses import Guesser, TooManyCodeGuesses
from order_service.rules.holder import RulesHolder
from order_service.settings import Settings
from service_kit.addresses import PostalCode, Region
from service_kit.http.client import client_network
from service_kit.http.etag import tagged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Connection, Transaction
from service_kit.iso_codes import Country
from service_kit.problems import NotFound
from service_kit.runtime import Runtime
from service_kit.security import Principal, Requires

router = Router(prefix="/cart", tags=["cart"])

Reader = Annotated[Principal, Requires("carts:read", of_person=True)]
Writer = Annotated[Principal, Requires("carts:write", of_person=True)]


@router.get("", summary="Get my cart")
async def read_cart(
    connection: Connection,
    who: Reader,
    request: Request,
    response: Response,
    country: Annotated[
        Country | None, Query(description="where it would go: adds shipping and tax to the quote")
    ] = None,
    region: Region | None = None,
    postal_code: PostalCode | None = None,
) -> CartOut:
    """With today's prices and what is available; neither is promised before an order is placed."""
    to = Destination(country, region, postal_code) if country else None
    return await _shown(connection, who, request, response, to)


@router.put("/codes", summary="Replace the codes in my cart", responses=problems(TooManyCodeGuesses))
async def put_codes(body: CodesIn, tx: Transaction, who: Writer, request: Request, response: Response) -> CartOut:
    """Replaces the codes of promotions that the cart is ordered with. `problems` says which can't be used."""
    guesser = Guesser.of(request.app.state.runtime.resource(Settings), who.user_id, client_network(request))
    await guesses.check(tx, guesser)
    await use_cases.set_codes(tx, who.user_id, body.codes)
    cart = await _shown(tx, who, request, response)
    await guesses.record(tx, guesser, guesses.unknown_in(cart.problems))
    return cart


@router.put(
    "/items/{product_id}",
    summary="Add a product to my cart",
    responses=problems(ProductUnavailable, CartFull),
)
async def put_item(
    product_id: UUID, body: QuantityIn, tx: Transaction, who: Writer, request: Request, response: Response
) -> CartOut:
    """Sets the quantity of a product, whether or not the cart has it already."""
    await use_cases.put(tx, who.user_id, product_id, body.quantity)
    return await _shown(tx, who, request, response)


@router.patch(
    "/items/{product_id}", summary="Change the quantity of a product in my cart", responses=problems(NotFound)
)
async def change_item(
    product_id: UUID, body: QuantityIn, tx: Transaction, who: Writer, request: Request, response: Response
) -> CartOut:
    """Changes the quantity of a product that is in the cart."""
    await use_cases.change(tx, who.user_id, product_id, body.quantity)
    return await _shown(tx, who, request, response)


@router.delete(
    "/items/{product_id}", status_code=204, summary="Remove a product from my cart", responses=problems(NotFound)
)
async def remove_item(product_id: UUID, tx: Transaction, who: Writer) -> None:
    """Removes a product that is in the cart."""
    await use_cases.remove(tx, who.user_id, product_id)


@router.delete("", status_code=204, summary="Empty my cart")
async def empty_cart(tx: Transaction, who: Writer) -> None:
    """Removes every item."""
    await use_cases.empty(tx, who.user_id)


@router.post("/merge", summary="Merge a guest's cart into mine", responses=problems(GuestTokenNotGood, CartFull))
async def merge_cart(body: MergeIn, tx: Transaction, who: Writer, request: Request, response: Response) -> CartOut:
    """After signing in: my cart gets the larger quantity of each product that is in either cart, and the guest's is
    emptied. Repeating it changes nothing. If my cart has no room for all, both carts stay as they are."""
    await use_cases.merge(tx, request.app.state.runtime.tokens, who.user_id, body.guest_token)
    return await _shown(tx, who, request, response)


async def _shown(
    connection: Connection | Transaction,
    who: Principal,
    request: Request,
    response: Response,
    to: Destination | None = None,
) -> CartOut:
    runtime: Runtime = request.app.state.runtime
    rules, preferred = runtime.resource(RulesHolder), runtime.resource(Settings).default_currency
    cart = await use_cases.show(connection, who.user_id, rules, preferred, to)
    return tagged(response, cart, cart.version)
