"""Data for the services under test. Without it most operations could only respond with 404."""

from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

from contracts.events.base import Event
from contracts.events.order_notification import OrderPaid, OrderPlaced
from contracts.events.payment_status import PaymentRefunded
from contracts.events.shipment_notification import ShipmentDelivered, ShipmentDispatched
from inventory_service.tests.inventory import Inventory, expected, fulfilment, reservation
from notification_service.tests.conftest import example
from notification_service.tests.conftest import record as as_record
from order_service.tests.conftest import Shop as Orders
from order_service.tests.invoices.stored import invoice
from service_kit.ids import uuid7
from tests.harness.service import Served

COUNT = 8
DEAD = """
INSERT INTO parked_events (event_id, topic, partition, "offset", key, type, headers, value, status, attempts, error)
SELECT uuidv7(), 'products', 0, n, convert_to('key-' || n % 5, 'UTF8'), 'mart.product.changed.v1', '[]', '\\x7b7d',
       'dead', 5, 'odd'
FROM generate_series(1, 40) AS n
"""
"""Few enough for one page, and more than the requests replay and discard."""


Known = dict[str, list[str]]
"""Existing ids, by parameter or by path in a body."""


async def caller_id(service: str, served: Served) -> UUID:
    """The id of the account that sends the requests; in the user service it must exist."""
    if service != "user":
        return uuid4()
    body = {"email": "ada@example.com", "password": "correct horse battery staple", "full_name": "Ada King"}
    answer = await served.anonymous.post("/users", json=body)
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


async def add_data(service: str, served: Served, user_id: UUID) -> Known:
    """Creates data that belongs to `user_id`, and returns its ids."""
    make = _MAKERS.get(service)
    known = await make(served, user_id) if make else {}
    async with served.runtime.database.connection() as connection:
        await connection.execute(DEAD)
    return known


async def _shop(served: Served, user_id: UUID) -> Known:
    """Orders in the important statuses, payments, returns, and products that can be ordered."""
    shop = Orders(served)
    shop.customer = served.caller(role="User", user_id=user_id)
    products = [await shop.product() for _ in range(COUNT)]
    payments, orders, returns = [], [], []
    for number in range(COUNT):
        waiting = await shop.accepted()
        paid = await shop.accepted()
        answer = await shop.customer.post(
            f"/orders/{paid}/payments", json={"token": "tok_ok"}, headers={"Idempotency-Key": str(uuid4())}
        )
        payment = answer.json()["id"]
        await shop.customer.post(f"/payments/{payment}/verify")
        parcel = uuid7()
        if number % 2:
            await shop.deliver(shop.parcel(paid, ShipmentDispatched, parcel))
            await shop.deliver(shop.parcel(paid, ShipmentDelivered, parcel))
            returns += await _requested_returns(shop)
        await shop.place(products[number])
        await shop.customer.put(f"/cart/items/{products[number]}", json={"quantity": 1})
        payments.append(payment)
        orders += [str(waiting), str(paid)]
    ids = [str(id) for id in products]
    numbers = await invoice(served, *(UUID(id) for id in orders[1::2]))
    return {
        "path.number": numbers,
        "body.lines[*].product_id": ids,
        "path.product_id": ids,
        "path.payment_id": payments,
        "path.order_id": orders,
        "path.return_id": returns,
    }


async def _requested_returns(shop: Orders) -> list[str]:
    """Requests two returns, of one piece each, of a delivered order."""
    order_id, parcel = await shop.paid(), uuid7()
    await shop.deliver(
        shop.parcel(order_id, ShipmentDispatched, parcel), shop.parcel(order_id, ShipmentDelivered, parcel)
    )
    [line] = (await shop.order(order_id))["lines"]
    body = {"lines": [{"product_id": line["product_id"], "quantity": 1}], "reason": "too small"}
    made = []
    for _ in range(2):
        headers = {"Idempotency-Key": str(uuid4())}
        answer = await shop.customer.post(f"/orders/{order_id}/returns", json=body, headers=headers)
        made.append(str(answer.json()["id"]))
    return made


async def _storehouse(served: Served, user_id: UUID) -> Known:
    """Stock in several warehouses, reservations, and parcels that can be dispatched."""
    house = Inventory(served)
    known: Known = {"body.product_id": [], "body.warehouse_id": [], "path.order_id": [], "path.return_id": []}
    for _ in range(COUNT):
        product, place = await house.stocked(100)
        order_id = uuid4()
        await house.deliver(reservation(order_id, [(product, 2)]))
        await house.deliver(fulfilment(order_id, [(product, 2)], user_id))
        await house.deliver(reservation(uuid4(), [(product, 3)]))
        back = [expected(order_id, [(product, 2)], user_id) for _ in range(3)]
        await house.deliver(*back)
        known["path.return_id"] += [str(each.return_id) for each in back]
        known["body.product_id"].append(str(product))
        known["body.warehouse_id"].append(str(place))
        known["path.order_id"].append(str(order_id))
    supplier = await house.staff.post("/suppliers", json={"name": "Hanford Ceramics"})
    known["body.supplier_id"] = [supplier.json()["id"]]
    return {**known, "body.lines[*].product_id": known["body.product_id"]}


async def _inbox(served: Served, user_id: UUID) -> Known:
    kinds: list[type[Event]] = [OrderPlaced, OrderPaid, PaymentRefunded, ShipmentDispatched]
    messaging = served.runtime.messaging
    for kind in kinds * 3:
        record = as_record(example(kind, user_id=user_id, order_id=uuid4()))
        await messaging.processor.process(messaging.subscriptions[record.topic], [record])
    return {}


_MAKERS: dict[str, Callable[[Served, UUID], Awaitable[Known]]] = {
    "order": _shop,
    "inventory": _storehouse,
    "notification": _inbox,
}
