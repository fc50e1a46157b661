"""Buying without an account, through five real processes."""

from uuid import uuid4

from tests.system.world import ADDRESS, PASSWORD, Person, World, until

LINK = "Your orders without an account"


async def test_a_guest_orders_and_the_account_of_its_owner_gets_the_order(world: World) -> None:
    email = f"{uuid4().hex[:12]}@example.com"
    guest, (lantern, mug) = await world.guest(), [await world.product(stock=5) for _ in range(2)]
    await guest.call("order", "PUT", f"/cart/items/{lantern}", json={"quantity": 2})
    await guest.call("user", "PUT", "/me/guest-email", json={"email": email})
    body = {"from_cart": True, "ship_to": ADDRESS}
    placed = await guest.call("order", "POST", "/orders", json=body, headers={"Idempotency-Key": "guest"})
    await guest.order_becomes(placed["id"], "awaiting_payment")
    await guest.call("order", "PUT", f"/cart/items/{mug}", json={"quantity": 1})
    await _is_mailed(world, email, f"We have received your order {placed['number']}")

    account = {"email": email, "password": PASSWORD, "full_name": "Ada King"}
    await world.staff.call("user", "POST", "/users", json=account)
    ada = await Person(world, email, PASSWORD).sign_in()
    assert (await ada.call("order", "GET", "/orders"))["items"] == [], "knowing the address is not enough"
    code = await world.mailed_code(email, LINK)
    await ada.call("user", "POST", "/me/guest-orders", json={"token": code})

    async def listed() -> bool:
        orders = await ada.call("order", "GET", "/orders")
        return [order["id"] for order in orders["items"]] == [placed["id"]]

    await until("the account has the order", listed)
    assert [item["product_id"] for item in (await ada.call("order", "GET", "/cart"))["items"]] == [mug]
    assert (await guest.ask("order", "GET", f"/orders/{placed['id']}")).status_code == 403
    await ada.pay(placed["id"])
    await ada.order_becomes(placed["id"], "paid")
    await world.deliver(placed["id"])
    await ada.order_becomes(placed["id"], "delivered")
    kinds = ["order.placed", "order.awaiting_payment", "order.paid", "shipment.dispatched", "shipment.delivered"]
    await world.wait_for_notifications(ada, kinds)
    [shipment] = await world.shipments(placed["id"])
    assert shipment["customer_id"] == ada.id


async def test_a_guest_registers_and_keeps_its_order(world: World) -> None:
    email = f"{uuid4().hex[:12]}@example.com"
    guest, product = await world.guest(), await world.product(stock=1)
    await guest.call("user", "PUT", "/me/guest-email", json={"email": email})
    placed = await guest.order((product, 1))
    code = await world.mailed_code(email, LINK)
    claimed = await guest.call("user", "POST", "/auth/guest/claim", json={"token": code, "password": PASSWORD})
    ada = await Person(world, email, PASSWORD).use(claimed)
    assert ada.id == guest.id
    await ada.order_becomes(placed["id"], "awaiting_payment")
    assert (await ada.sign_in()).id == guest.id


async def test_a_customer_who_signs_in_gets_the_cart_that_was_filled_before(world: World) -> None:
    guest, ada, product = await world.guest(), await world.customer(), await world.product(stock=1)
    await guest.call("order", "PUT", f"/cart/items/{product}", json={"quantity": 3})
    cart = await ada.call("order", "POST", "/cart/merge", json={"guest_token": guest.token})
    assert [(item["product_id"], item["quantity"]) for item in cart["items"]] == [(product, 3)]
    refused = await guest.ask("order", "POST", "/cart/merge", json={"guest_token": ada.token})
    assert refused.json()["type"] == "/problems/guest-token-not-good"


async def _is_mailed(world: World, email: str, subject: str) -> None:
    async def arrived() -> bool:
        found = await world.http.get(f"{world.url('mailbox')}/messages", params={"to": email})
        return subject in [message["subject"] for message in found.json()["items"]]

    await until("the mail about the order", arrived)
