"""Placing orders over HTTP."""

from asyncio import create_task, gather, sleep, timeout
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.address import Address
from contracts.events import inventory_deduction as requests
from contracts.events import order_notification as steps
from order_service.orders import placing
from order_service.orders.endpoints import wait_of
from order_service.orders.schemas import OrderOut, ShipTo
from order_service.pricing.lines import Shipping
from order_service.pricing.quotes import Quote, quote_order
from order_service.tests.conftest import SHIP_TO, Shop, scheduled
from service_kit.clock import utcnow


async def test_the_event_has_lines_and_address(shop: Shop) -> None:
    address = {**SHIP_TO, "company": "Engines Ltd", "line2": "2nd floor", "postal_code": "SW1Y 4JH"}
    assert (await shop.place(await shop.product(sku="MUG-1", name="A mug"), ship_to=address)).status_code == 201
    [placed] = await shop.served.events(steps.OrderPlaced)
    assert placed.ship_to is not None
    assert placed.ship_to.model_dump(exclude_none=True) == address
    [line] = placed.lines
    assert (line.sku, line.name, line.quantity, line.unit_price) == ("MUG-1", "A mug", 2, 1000)


async def test_each_line_keeps_its_discount_and_tax(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a quote that has some: the order comes to what the quote does, wherever it is read."""

    def reduced(*args: Any, **kwargs: Any) -> Quote:
        found = quote_order(*args, **kwargs)
        for n, line in enumerate(found.lines, 1):
            line.discount, line.tax, line.total = 100 * n, n, line.subtotal - 100 * n + n
        return Quote(found.currency, found.lines, shipping=Shipping(amount=400, discount=100, tax=60, total=360))

    monkeypatch.setattr(placing, "quote_order", reduced)
    for first in (True, False):
        products = [await shop.product(1000), await shop.product(250)]
        if first:
            lines = [{"product_id": str(product_id), "quantity": 2} for product_id in products]
            placed = await shop.place(lines=lines)
        else:
            for product_id in products:
                await shop.customer.put(f"/cart/items/{product_id}", json={"quantity": 2})
            placed = await shop.place(from_cart=True)
        order = placed.json()
        assert [line["total"]["amount"] for line in order["lines"]] == [1901, 302]
        assert order["total"]["amount"] == 1901 + 302 + 360
        assert (await shop.customer.get(f"/orders/{order['id']}")).json() == order
        stored = "SELECT array_agg(array[discount, tax] ORDER BY position) FROM order_lines WHERE order_id = $1"
        assert await shop.execute(stored, UUID(order["id"])) == [[100, 1], [200, 2]]


async def test_the_largest_order_fits_its_record_and_names_its_first_lines(shop: Shop) -> None:
    name = "\U0001f382" * 200
    product_id = await shop.product(1, sku="S" * 64, name=name)
    lines = [{"product_id": str(product_id), "quantity": 1_000_000 - n} for n in range(2_000)]
    answer = await shop.place(lines=lines)
    assert answer.status_code == 201, answer.text
    [placed] = await shop.served.events(steps.OrderPlaced)
    assert [line.name for line in placed.lines] == [name] * 50 + [None] * 1_950
    [reserve] = await shop.served.events(requests.ReservationRequested)
    assert [line.quantity for line in reserve.lines] == [line["quantity"] for line in lines]


async def test_an_order_is_placed_and_published(shop: Shop) -> None:
    product_id = await shop.product(1250, sku="MUG-1", name="A mug")
    answer = await shop.place(product_id)
    assert answer.status_code == 201, answer.text
    order = answer.json()
    assert order["status"] == "pending"
    assert order["payment_status"] == "unpaid"
    assert order["fulfilment_status"] == "unfulfilled"
    assert order["total"] == {"amount": 2500, "currency": "GBP"}
    assert order["customer_id"] == str(shop.customer.user_id)
    assert order["number"].isdigit()
    assert order["ship_to"] == {**SHIP_TO, **dict.fromkeys(("company", "line2", "region", "postal_code", "phone"))}
    assert order["lines"] == [
        {
            "product_id": str(product_id), "sku": "MUG-1", "name": "A mug", "quantity": 2,
            "unit_price": {"amount": 1250, "currency": "GBP"}, "total": {"amount": 2500, "currency": "GBP"},
        }
    ]  # fmt: skip
    assert answer.headers["Location"] == f"/orders/{order['id']}"
    assert answer.headers["ETag"] == f'"{order["version"]}"'

    read = await shop.customer.get(answer.headers["Location"])
    assert read.json() == order
    assert read.headers["ETag"] == answer.headers["ETag"]

    placed, asked = await shop.served.events()
    assert isinstance(placed, steps.OrderPlaced)
    assert isinstance(asked, requests.ReservationRequested)
    assert (placed.version, asked.version) == (1, 2)
    assert placed.number == order["number"]
    assert asked.reserved_until == datetime.fromisoformat(order["pay_by"]) + timedelta(minutes=30)
    [entry] = await shop.history(UUID(order["id"]))
    assert (entry["trigger"], entry["to_status"], entry["actor"]) == ("placed", "pending", "customer")


async def test_the_answer_is_an_order_byte_for_byte(shop: Shop) -> None:
    """It is written without the model that all other answers come from."""
    ship_to = {**SHIP_TO, "name": 'Żaneta "Zoé" 😀', "company": "Ünïcode & Söhne", "phone": "+44 20 7946"}
    answer = await shop.place(await shop.product(), ship_to=ship_to)
    assert answer.status_code == 201, answer.text
    assert OrderOut.model_validate_json(answer.content).model_dump_json().encode() == answer.content
    assert ShipTo.model_fields.keys() == Address.model_fields.keys()


async def test_lines_are_never_merged(shop: Shop) -> None:
    product_id = await shop.product(100)
    order = (await shop.place(product_id, product_id)).json()
    assert [line["quantity"] for line in order["lines"]] == [2, 2]
    [asked] = await shop.served.events(requests.ReservationRequested)
    assert [line.quantity for line in asked.lines] == [2, 2]


async def test_an_order_has_at_most_two_thousand_lines(shop: Shop) -> None:
    line = {"product_id": str(await shop.product(1)), "quantity": 1}
    answer = await shop.place(lines=[line] * 2000)
    assert answer.status_code == 201
    assert answer.json()["total"]["amount"] == 2000
    rejected = await shop.place(lines=[line] * 2001)
    assert rejected.status_code == 422
    assert rejected.json()["type"] == "/problems/validation-failed"


@pytest.mark.parametrize(
    "body",
    [
        {"lines": []},
        {},
        {"lines": [{"product_id": str(uuid4()), "quantity": 0}]},
        {"lines": [{"product_id": str(uuid4()), "quantity": 1}], "from_cart": True},
        {"lines": [{"product_id": str(uuid4()), "quantity": 1}], "cart_version": 1},
        {"lines": [{"product_id": str(uuid4()), "quantity": 1}], "expected_total": {"amount": "1", "currency": "GBP"}},
        {"lines": [{"product_id": str(uuid4()), "quantity": 1}], "ship_to": {"name": "Ada"}},
        {
            "lines": [
                {"product_id": str(uuid4()), "quantity": 1, "agreed_unit_price": {"amount": -1, "currency": "GBP"}}
            ]
        },
        {
            "lines": [
                {"product_id": str(uuid4()), "quantity": 1, "agreed_unit_price": {"amount": 1.5, "currency": "GBP"}}
            ]
        },
    ],
)
async def test_an_invalid_order_is_rejected(shop: Shop, body: dict[str, Any]) -> None:
    answer = await shop.place(**body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_unavailable_lines_are_named(shop: Shop) -> None:
    good, archived, unknown = await shop.product(), await shop.product(status="archived"), uuid4()
    priceless = await shop.product(None)
    answer = await shop.place(good, archived, unknown)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/product-unavailable")
    assert answer.json()["lines"] == [
        {"line": 2, "product_id": str(archived), "reason": "archived"},
        {"line": 3, "product_id": str(unknown), "reason": "unknown"},
    ]
    assert answer.headers["Retry-After"] == "1"
    answer = await shop.place(good, priceless)
    assert answer.json()["lines"] == [{"line": 2, "product_id": str(priceless), "reason": "no-price"}]
    assert "Retry-After" not in answer.headers
    assert await shop.served.events() == []


async def test_an_unexpected_price_is_rejected(shop: Shop) -> None:
    product_id = await shop.product(1100)
    line = {"product_id": str(product_id), "quantity": 1, "expected_unit_price": {"amount": 1000, "currency": "GBP"}}
    answer = await shop.place(lines=[line])
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/price-changed")
    assert answer.json()["lines"] == [
        {
            "line": 1, "product_id": str(product_id), "expected_unit_price": {"amount": 1000, "currency": "GBP"},
            "unit_price": {"amount": 1100, "currency": "GBP"},
        }
    ]  # fmt: skip
    line["expected_unit_price"] = {"amount": 1100, "currency": "GBP"}
    assert (await shop.place(lines=[line])).status_code == 201


async def test_an_unexpected_total_is_rejected(shop: Shop) -> None:
    product_id = await shop.product(1100)
    answer = await shop.place(product_id, expected_total={"amount": 2000, "currency": "GBP"})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/price-changed")
    assert answer.json()["total"] == {"amount": 2200, "currency": "GBP"}
    assert answer.json()["expected_total"] == {"amount": 2000, "currency": "GBP"}
    assert answer.json()["lines"] == []
    assert (await shop.place(product_id, expected_total=answer.json()["total"])).status_code == 201
    assert await shop.execute("SELECT count(*) FROM orders") == 1


async def test_an_expected_total_needs_a_currency(shop: Shop) -> None:
    product_id = await shop.product(prices=[scheduled(1000), scheduled(5, currency="USD")])
    dollars = {"amount": 10, "currency": "USD"}
    assert (await shop.place(product_id, expected_total=dollars)).json()["total"] == dollars
    rejected = await shop.place(product_id, expected_total=dollars, currency="GBP")
    assert rejected.json()["type"] == "/problems/one-currency-per-order"
    unpriced = await shop.place(product_id, expected_total={"amount": 10, "currency": "EUR"})
    assert unpriced.json()["lines"][0]["reason"] == "no-price"


async def test_quantity_tiers_and_dates_make_the_price(shop: Shop) -> None:
    yesterday, tomorrow = utcnow() - timedelta(days=1), utcnow() + timedelta(days=1)
    product_id = await shop.product(
        prices=[
            scheduled(1000),
            scheduled(900, min_quantity=10),
            scheduled(800, min_quantity=10, starts_at=tomorrow),
            scheduled(700, min_quantity=10, starts_at=yesterday - timedelta(days=1), ends_at=yesterday),
            scheduled(5, currency="USD"),
        ]
    )
    for quantity, unit_price in ((9, 1000), (10, 900)):
        order = (await shop.place(lines=[{"product_id": str(product_id), "quantity": quantity}])).json()
        assert order["lines"][0]["unit_price"] == {"amount": unit_price, "currency": "GBP"}
    dollars = await shop.place(lines=[{"product_id": str(product_id), "quantity": 1}], currency="USD")
    assert dollars.json()["total"] == {"amount": 5, "currency": "USD"}


async def test_ten_pieces_never_cost_more_each_than_nine(shop: Shop) -> None:
    product_id = await shop.product(prices=[scheduled(1000), scheduled(800, min_quantity=10), scheduled(500)])
    for quantity in (9, 10):
        order = (await shop.place(lines=[{"product_id": str(product_id), "quantity": quantity}])).json()
        assert order["lines"][0]["unit_price"]["amount"] == 500


async def test_one_currency_per_order(shop: Shop) -> None:
    pounds, euros = await shop.product(), await shop.product(prices=[scheduled(5, currency="EUR")])
    rejected = await shop.place(pounds, euros)
    assert (rejected.status_code, rejected.json()["type"]) == (409, "/problems/one-currency-per-order")
    assert (await shop.place(euros)).json()["total"]["currency"] == "EUR"


async def test_a_total_above_the_limit_of_gateways_is_rejected(shop: Shop) -> None:
    product_id = await shop.product(10**9)
    answer = await shop.place(lines=[{"product_id": str(product_id), "quantity": 1_000_000}])
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/order-too-large")


async def test_staff_order_for_a_customer_at_agreed_prices(shop: Shop) -> None:
    customer_id, product_id = await shop.known_customer(), await shop.product(1000)
    line = {"product_id": str(product_id), "quantity": 3, "agreed_unit_price": {"amount": 750, "currency": "GBP"}}
    answer = await shop.place(by=shop.staff, lines=[line], customer_id=str(customer_id))
    assert answer.status_code == 201, answer.text
    assert answer.json()["customer_id"] == str(customer_id)
    assert answer.json()["total"]["amount"] == 2250
    [entry] = await shop.history(UUID(answer.json()["id"]))
    assert (entry["actor"], entry["actor_id"]) == ("staff", str(shop.staff.user_id))
    assert entry["details"] == {"agreed_unit_prices": [{"line": 1, "unit_price": 750, "list_price": 1000}]}
    assert (await shop.served.caller(user_id=customer_id).get(answer.headers["Location"])).status_code == 200


async def test_customers_cannot_set_prices_or_order_for_others(shop: Shop) -> None:
    product_id = str(await shop.product())
    line = {"product_id": product_id, "quantity": 1, "agreed_unit_price": {"amount": 1, "currency": "GBP"}}
    bodies: list[dict[str, Any]] = [
        {"lines": [line]},
        {"lines": [{"product_id": product_id, "quantity": 1}], "customer_id": str(uuid4())},
    ]
    for body in bodies:
        answer = await shop.place(**body)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/forbidden")


async def test_an_order_for_an_unknown_customer_is_rejected(shop: Shop) -> None:
    product_id = await shop.product()
    answer = await shop.place(product_id, by=shop.staff, customer_id=str(uuid4()))
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/customer-unknown")
    assert answer.headers["Retry-After"] == "1"
    closed = await shop.known_customer(active=False)
    answer = await shop.place(product_id, by=shop.staff, customer_id=str(closed))
    assert answer.json()["type"] == "/problems/customer-inactive"


async def test_twenty_concurrent_requests_with_one_key_place_one_order(shop: Shop) -> None:
    product_id, key = await shop.product(), "the-key"
    answers = await gather(*(shop.place(product_id, key=key) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 19
    assert await shop.execute("SELECT count(*) FROM orders") == 1
    assert await shop.execute("SELECT count(*) FROM order_lines") == 1
    assert len(await shop.served.events()) == 2


async def test_a_repeated_request_gets_its_first_response_although_the_catalogue_changed(shop: Shop) -> None:
    product_id, key = await shop.product(), "the-key"
    first = await shop.place(product_id, key=key)
    await shop.product(product_id=product_id, status="archived", version=2)
    again = await shop.place(product_id, key=key)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_a_key_with_another_body_is_rejected(shop: Shop) -> None:
    product_id, key = await shop.product(), "the-key"
    await shop.place(product_id, key=key)
    answer = await shop.place(product_id, product_id, key=key)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/idempotency-key-reused")
    # Another user's key is another key.
    assert (await shop.place(product_id, by=shop.staff, key=key)).status_code == 201


async def test_an_order_needs_a_key(shop: Shop) -> None:
    answer = await shop.customer.post("/orders", json={"lines": [], "ship_to": SHIP_TO})
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/idempotency-key-missing")


async def test_a_commit_that_fails_is_not_answered_201(shop: Shop) -> None:
    """The commit itself fails: everything before it went well."""
    product_id = await shop.product()
    await shop.execute(
        "CREATE FUNCTION reject() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$"
    )
    await shop.execute(
        "CREATE CONSTRAINT TRIGGER reject AFTER INSERT OR UPDATE ON orders DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION reject()"
    )
    answer = await shop.place(product_id, key="the-key")
    assert answer.status_code == 500
    assert "not today" not in answer.text
    assert await shop.execute("SELECT count(*) FROM orders") == 0
    await shop.execute("DROP TRIGGER reject ON orders")
    assert (await shop.place(product_id, key="the-key")).status_code == 201, "a 5xx is not kept"


async def test_a_payment_token_is_stored_separately_and_deleted_when_the_order_ends(shop: Shop) -> None:
    order_id = await shop.placed(payment_token="tok_ok")
    assert await shop.execute("SELECT token FROM payment_tokens WHERE order_id = $1", order_id) == "tok_ok"
    assert "tok_ok" not in (await shop.staff.get(f"/orders/{order_id}")).text
    assert await shop.execute("SELECT count(*) FROM outbox WHERE position('tok_ok'::bytea IN value) > 0") == 0
    await shop.customer.post(f"/orders/{order_id}/cancel")
    assert await shop.execute("SELECT count(*) FROM payment_tokens") == 0


async def test_a_request_can_wait_until_inventory_has_answered(shop: Shop) -> None:
    product_id = await shop.product()
    waiting = create_task(shop.place(product_id, key="the-key", prefer="respond-async, wait=20"))
    order_id = None
    while order_id is None:
        order_id = await shop.execute("SELECT id FROM orders")
    assert not waiting.done()
    await _no_connection_is_held(shop)
    await shop.accept(order_id)
    answer = await waiting
    assert (answer.status_code, answer.json()["status"]) == (201, "awaiting_payment")
    assert answer.headers["Preference-Applied"] == "wait=20"
    await _no_connection_is_held(shop)
    assert (await shop.place(product_id, key="the-key")).content == answer.content


async def _no_connection_is_held(shop: Shop) -> None:
    """By whoever waits: the watcher holds one for a moment, each time that it looks."""
    async with timeout(1):
        while shop.runtime.database._asyncpg_pool.in_use:
            await sleep(0)


async def test_a_wait_ends_with_its_time(shop: Shop) -> None:
    answer = await shop.place(await shop.product(), prefer="wait=1")
    assert (answer.status_code, answer.json()["status"]) == (201, "pending")


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [(None, 0), ("", 0), ("wait=5", 5), ("respond-async; wait=5", 5), ("Wait = 7, x", 7), ("wait=100000", 30),
     ("await=5", 0), ("wait=x", 0), ("wait=-5", 0)],
)  # fmt: skip
def test_the_wait_of_a_prefer_header_is_parsed(prefer: str | None, seconds: int) -> None:
    assert wait_of(prefer) == seconds
