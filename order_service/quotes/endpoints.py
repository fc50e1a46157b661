"""Quotes over HTTP."""

from typing import Annotated

from fastapi import Request

from order_service.orders.placing import CartEmpty
from order_service.pricing.promotions import PromotionUnusable
from order_service.pricing.quotes import OneCurrencyPerOrder, OrderTooLarge, ProductUnavailable
from order_service.pricing.schemas import QuoteOut
from order_service.pricing.shipping import NoShippingThere, ShippingMethodUnavailable
from order_service.promotions import guesses
from order_service.promotions.guesses import Guesser, TooManyCodeGuesses
from order_service.quotes import use_cases
from order_service.quotes.schemas import QuoteIn
from order_service.rules.holder import RulesHolder
from order_service.settings import Settings
from service_kit.http.client import client_network
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Connection
from service_kit.runtime import Runtime
from service_kit.security import Principal, Requires

router = Router(prefix="/quotes", tags=["quotes"])


@router.post(
    "",
    summary="Quote an order",
    responses=problems(
        ProductUnavailable,
        OneCurrencyPerOrder,
        OrderTooLarge,
        CartEmpty,
        PromotionUnusable,
        TooManyCodeGuesses,
        NoShippingThere,
        ShippingMethodUnavailable,
    ),
)
async def quote_order(
    body: QuoteIn, connection: Connection, who: Annotated[Principal, Requires("orders:write")], request: Request
) -> QuoteOut:
    """What `POST /orders` would charge now: each line with its discount and tax, the shipping methods that are offered
    and the chosen one, and what each promotion takes off. Nothing is reserved or promised: send `total` as
    `expected_total` with the order, which is rejected if it costs anything else by then."""
    runtime: Runtime = request.app.state.runtime
    settings, rules = runtime.resource(Settings), runtime.resource(RulesHolder)
    guesser = Guesser.of(settings, who.user_id, client_network(request)) if body.codes else None
    async with guesses.limited(connection, guesser):
        found = await use_cases.quote(connection, body, who.user_id, rules, settings.default_currency)
    return QuoteOut.of(found)
