"""Quotes over HTTP: the worked cases, and that a quote, a cart and an order cost the same."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.events import inventory_deduction as requests
from contracts.events.shipment_notification import ReceivedLine, ReturnReceived
from order_service.pricing.promotions import FreeShipping, Percent, Stage
from order_service.pricing.schemas import QuoteOut
from order_service.pricing.shipping import Kind
from order_service.rules.holder import RulesHolder
from order_service.settings import Settings
from order_service.tests.configured import add_code, configure
from order_service.tests.conftest import SHIP_TO, Shop, scheduled
from order_service.tests.pricing.cases import CASES, Case
from order_service.tests.pricing.goods import method, promotion, zone

BUSINESS = "FR40303265045"


async def stock(shop: Shop, case: Case) -> None:
    for good in dict.fromkeys(good.product for good in case.goods):
        price = next(price.amount for price in good.prices if price.currency == case.currency)
        facts: dict[str, Any] = {"product_id": good.id, "sku": good.sku, "name": good.name}
        await shop.product(prices=[scheduled(price, currency=case.currency)], tax_class=good.facts.tax_class, **facts)


def without_dates(quote: dict[str, Any]) -> dict[str, Any]:
    undated = {"from": None, "to": None}
    methods = [each | undated for each in quote.get("shipping_methods", ())]
    return quote | {"shipping": quote["shipping"] | undated, "shipping_methods": methods}


@pytest.mark.parametrize("name", CASES)
async def test_the_api_answers_the_worked_cases(shop: Shop, name: str) -> None:
    """As the pure function does, whose answers are tested; the order costs what its quote says."""
    case = CASES[name]
    shop.runtime.provide(RulesHolder(case.home))
    await configure(shop, zones=case.zones, methods=case.methods, promotions=case.promotions)
    await stock(shop, case)
    terms: dict[str, Any] = {
        "lines": [{"product_id": str(good.product.id), "quantity": good.quantity} for good in case.goods],
        "ship_to": {"country": case.country},
    }
    if case.tax_id_is_valid:
        valid = "INSERT INTO tax_ids (customer_id, country, number, state) VALUES ($1, 'FR', $2, 'valid')"
        await shop.execute(valid, shop.customer.user_id, BUSINESS)
        terms["tax_id"] = BUSINESS
    answer = await shop.customer.post("/quotes", json=terms)
    assert answer.status_code == 200, answer.text
    expected = without_dates(QuoteOut.of(case.quote()).model_dump(mode="json"))
    assert without_dates(answer.json()) == expected
    assert await shop.execute("SELECT count(*) FROM orders") == 0

    total = {"amount": expected["total"], "currency": case.currency}
    placed = await shop.place(**terms | {"ship_to": SHIP_TO | {"country": case.country}, "expected_total": total})
    assert placed.status_code == 201, placed.text
    order = placed.json()
    assert order["total"] == total
    assert without_dates(order["quote"]) == expected | {"shipping_methods": []}
    assert (await shop.customer.get(f"/orders/{order['id']}")).json() == order


async def test_a_cart_shows_what_its_order_costs(shop: Shop) -> None:
    """With its codes, shipping and tax, and what could not be ordered."""
    sale, free = promotion(Percent(100_000), automatic=False), promotion(FreeShipping(), Stage.SHIPPING)
    await configure(
        shop,
        zones=[zone("GB", {"standard": 200_000})],
        methods=[method(500), method(900, "fast")],
        promotions=[sale, free],
    )
    await add_code(shop, sale, "TEN")
    mug, gone = await shop.product(1000), await shop.product(500)
    for product_id in (mug, gone):
        await shop.customer.put(f"/cart/items/{product_id}", json={"quantity": 3})
    cart = (await shop.customer.put("/cart/codes", json={"codes": [" ten ", "NONE"]})).json()
    assert cart["codes"] == ["TEN", "NONE"]
    assert cart["problems"][0]["codes"] == [{"code": "NONE", "reason": "unknown"}]
    await shop.product(500, product_id=gone, version=2, status="archived")
    await shop.customer.put("/cart/codes", json={"codes": ["TEN"]})
    cart = (await shop.customer.get("/cart", params={"country": "GB"})).json()
    assert [item["problem"] for item in cart["items"]] == [None, "unavailable"]
    assert (cart["problems"], cart["quote"]["total"], cart["quote"]["tax"]) == ([], 2700, 450)
    assert [each["code"] for each in cart["quote"]["shipping_methods"]] == ["post", "fast"]
    await shop.customer.delete(f"/cart/items/{gone}")
    quoted = await shop.customer.post("/quotes", json={"from_cart": True, "ship_to": {"country": "GB"}})
    assert quoted.json() == (await shop.customer.get("/cart", params={"country": "GB"})).json()["quote"]
    order = (await shop.place(from_cart=True, expected_total={"amount": 2700, "currency": "GBP"})).json()
    assert order["quote"]["adjustments"][1] == {"promotion_id": str(sale.id), "code": "TEN", "line": 1, "amount": 300}
    assert (await shop.customer.get("/cart")).json()["codes"] == [], "the codes are used"


async def test_nothing_costs_more_than_it_did_while_nothing_is_configured(shop: Shop) -> None:
    order = (await shop.place(await shop.product(1000))).json()
    quote = order["quote"]
    assert (order["total"]["amount"], quote["total"], quote["tax"], quote["discount"]) == (2000, 2000, 0, 0)
    assert (quote["shipping"]["total"], quote["tax_note"], quote["adjustments"]) == (0, None, [])


async def test_what_cannot_be_shipped_or_taken_off_is_rejected(shop: Shop) -> None:
    later = promotion(Percent(100_000), automatic=False)
    only_gb = method(500)
    await configure(shop, methods=[only_gb], promotions=[later])
    await add_code(shop, later, "TEN")
    await shop.execute("UPDATE shipping_zones SET countries = '{GB}'")
    mug = await shop.product(1000)
    lines = [{"product_id": str(mug), "quantity": 1}]

    async def problem(**terms: Any) -> tuple[int, str]:
        body = {"lines": lines, "ship_to": {"country": "GB"}, **terms}
        quoted = await shop.customer.post("/quotes", json=body)
        placed = await shop.place(**body | {"ship_to": SHIP_TO | body["ship_to"]})
        assert quoted.json() == placed.json() | {"instance": quoted.json().get("instance")}
        return quoted.status_code, quoted.json()["type"].removeprefix("/problems/")

    assert await problem(ship_to={"country": "FR"}) == (409, "shipping-not-to-there")
    assert await problem(shipping_method="fast") == (409, "shipping-method-unavailable")
    assert await problem(codes=["TEN", "nine"]) == (409, "promotion-unusable")
    assert await shop.execute("SELECT count(*) FROM orders") == 0
    changed = await shop.place(mug, expected_total={"amount": 2000, "currency": "GBP"})
    assert (changed.status_code, changed.json()["total"]["amount"]) == (409, 2500)


async def test_an_order_has_the_rules_of_its_moment_in_every_process(shop: Shop) -> None:
    """The version is read with the products, so a change counts from its commit on, without a restart."""
    mug = await shop.product(1000)
    assert (await shop.place(mug)).json()["quote"]["tax"] == 0
    await configure(shop, zones=[zone("GB", {"standard": 200_000})])
    assert (await shop.place(mug)).json()["quote"]["tax"] == 333
    await shop.execute("UPDATE tax_rates SET rate = 50000")
    assert (await shop.place(mug)).json()["quote"]["tax"] == 95
    await shop.execute("DELETE FROM tax_rates")
    assert (await shop.place(mug)).json()["quote"]["tax"] == 0


async def test_weight_and_pieces_choose_the_rate(shop: Shop) -> None:
    heavy = await shop.product(1000, weight_g=1500)
    await configure(shop, methods=[method(300)])
    rates = [
        {"currency": "GBP", "by": "weight", "from_value": 0, "amount": 300},
        {"currency": "GBP", "by": "weight", "from_value": 2000, "amount": 700},
    ]
    await shop.execute("UPDATE shipping_methods SET rates = $1::text::jsonb", str(rates).replace("'", '"'))
    for quantity, amount in ((1, 300), (2, 700)):
        body = {"lines": [{"product_id": str(heavy), "quantity": quantity}], "ship_to": {"country": "GB"}}
        assert (await shop.customer.post("/quotes", json=body)).json()["shipping"]["amount"] == amount


async def test_codes_cannot_be_found_by_trying(shop: Shop) -> None:
    """Wherever they are entered."""
    limited = {"limits": True, "unpaid_orders_unconfirmed": 99}
    shop.runtime.provide(shop.runtime.resource(Settings).model_copy(update=limited))
    mug = await shop.product(1000)
    await shop.customer.put(f"/cart/items/{mug}", json={"quantity": 1})
    lines = [{"product_id": str(mug), "quantity": 1}]

    async def guess(n: int) -> list[int]:
        codes = [f"GUESS{n}"]
        quoted = await shop.customer.post(
            "/quotes", json={"lines": lines, "ship_to": {"country": "GB"}, "codes": codes}
        )
        carted = await shop.customer.put("/cart/codes", json={"codes": codes})
        return [quoted.status_code, (await shop.place(mug, codes=codes)).status_code, carted.status_code]

    assert [await guess(n) for n in range(4)] == [[409, 409, 200]] * 3 + [[409, 429, 429]]
    assert (await shop.place(mug)).status_code == 201, "orders without a code are not limited"


async def test_what_is_collected_is_reserved_where_it_is_collected(shop: Shop) -> None:
    warehouse = uuid4()
    await configure(shop, methods=[method(0, "collect", kind=Kind.PICKUP, warehouse_id=warehouse)])
    assert (await shop.place(await shop.product(1000))).status_code == 201
    [request] = await shop.served.events(requests.ReservationRequested)
    assert request.only_warehouse_id == warehouse


async def test_the_warehouse_is_told_how_an_order_is_sent(shop: Shop) -> None:
    await configure(shop, methods=[method(500, "fast")])
    order_id = await shop.accepted()
    await shop.capture(order_id, 2500)
    [fulfilment] = await shop.served.events(requests.FulfilmentRequested)
    assert fulfilment.shipping == requests.ShippingMethod(code="fast", name="Fast")


async def test_an_order_that_costs_nothing_is_paid_by_itself_and_can_be_returned(shop: Shop) -> None:
    """T27; Medusa #12429 could not."""
    free = [promotion(Percent(1_000_000)), promotion(FreeShipping(), Stage.SHIPPING)]
    await configure(shop, methods=[method(500)], promotions=free)
    order_id = await shop.accepted()
    order = await shop.order(order_id)
    assert (order["total"]["amount"], order["status"], order["payment_status"]) == (0, "paid", "paid")
    paying = await shop.customer.post(
        f"/orders/{order_id}/payments", json={"token": "tok_ok"}, headers={"Idempotency-Key": "pay"}
    )
    assert (paying.status_code, paying.json()["type"]) == (409, "/problems/order-not-awaiting-payment")
    await shop.execute("UPDATE orders SET status = 'delivered', delivered_at = now() WHERE id = $1", order_id)
    [line] = (await shop.order(order_id))["lines"]
    body = {"lines": [{"line": 1, "quantity": 2}], "reason": "not for me"}
    headers = {"Idempotency-Key": "return"}
    asked = (await shop.customer.post(f"/orders/{order_id}/returns", json=body, headers=headers)).json()
    assert (await shop.staff.post(f"/returns/{asked['id']}/approve")).is_success
    received = ReturnReceived(
        return_id=UUID(asked["id"]), order_id=order_id, customer_id=shop.customer.user_id, number="1", version=2,
        warehouse_id=uuid4(), lines=[ReceivedLine(product_id=UUID(line["product_id"]), restocked=2, scrapped=0)],
    )  # fmt: skip
    await shop.deliver(received)
    assert (await shop.order(order_id))["status"] == "returned"
    assert await shop.execute("SELECT count(*) FROM refunds") == 0
