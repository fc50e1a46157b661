"""After the erasure of a customer with orders, no database contains personal data of the customer, except the
recipient on the invoice, which must be kept by law."""

import asyncio
from uuid import uuid4

import asyncpg

from local_stack.parts import SERVICES
from tests.system.world import PASSWORD, Person, World, until

_TABLES = """
SELECT quote_ident(table_name) FROM information_schema.tables
WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
"""
# PostgreSQL shows bytes as hexadecimal digits, so each row is searched for the text and for its digits.
_ROWS = "SELECT row_to_json(t)::text FROM {table} AS t"
_RECIPIENTS = "order.invoice_recipients: "


async def test_only_the_invoice_of_an_erased_person_remains(world: World) -> None:
    word = f"canary{uuid4().hex[:10]}"
    person = Person(world, f"{word}@example.com", PASSWORD)
    body = {"email": person.email, "password": PASSWORD, "full_name": f"Ada {word}"}
    await world.staff.call("user", "POST", "/users", json=body)
    await person.sign_in()
    address = {"name": f"Ada {word}", "line1": f"12 {word} Lane", "city": word, "country": "GB"}
    await person.call("user", "POST", "/users/me/addresses", json=address)
    product = await world.product(stock=5)
    order = await person.order((product, 1), ship_to=address)
    await person.order_becomes(order["id"], "awaiting_payment")
    await person.pay(order["id"])
    await person.order_becomes(order["id"], "paid")
    await world.deliver(order["id"])
    await person.order_becomes(order["id"], "delivered")
    await _reject_a_return(world, person, order["id"], product, word)
    cancelled = await person.order((product, 1), ship_to=address)
    why = {"reason": f"{word} has moved"}
    await person.call("order", "POST", f"/orders/{cancelled['id']}/cancel", json=why)
    unpaid = await person.order((product, 1), ship_to=address)
    await person.order_becomes(unpaid["id"], "awaiting_payment")
    assert await _found(world, word), "the search finds nothing even before the erasure"

    await person.call("user", "DELETE", "/users/me")

    await _only_the_recipient_remains(world, word)
    [invoice] = (await world.staff.call("order", "GET", f"/orders/{order['id']}/invoices"))["items"]
    invoice = await world.staff.call("order", "GET", f"/invoices/{invoice['number']}")
    assert word in invoice["recipient"]["ship_to"]["name"]
    kept = await world.staff.call("order", "GET", f"/orders/{order['id']}")
    assert (kept["status"], kept["total"]) == ("delivered", order["total"])
    assert kept["ship_to"]["name"] == "erased"
    assert (await world.staff.call("order", "GET", f"/orders/{unpaid['id']}"))["status"] == "cancelled"


async def _reject_a_return(world: World, person: Person, order_id: str, product: str, word: str) -> None:
    back = {"lines": [{"product_id": product, "quantity": 1}], "reason": f"too small for {word}"}
    key = {"Idempotency-Key": "back"}
    asked = await person.call("order", "POST", f"/orders/{order_id}/returns", json=back, headers=key)
    rejection = {"reason": f"{word} has worn it"}
    await world.staff.call("order", "POST", f"/returns/{asked['id']}/reject", json=rejection)


async def _only_the_recipient_remains(world: World, word: str) -> None:
    async def left() -> list[str]:
        return [row for row in await _found(world, word) if not row.startswith(_RECIPIENTS)]

    async def nothing_is_left() -> bool:
        return not await left()

    try:
        await until("nothing is left", nothing_is_left)
    finally:
        assert await left() == []
    assert len(await _found(world, word)) == 1


async def _found(world: World, word: str) -> list[str]:
    """The rows that contain the word, with service and table."""
    found = await asyncio.gather(*(_in_database(world, part.name, word) for part in SERVICES))
    return [place for places in found for place in places]


async def _in_database(world: World, service: str, word: str) -> list[str]:
    connection = await asyncpg.connect(world.shop.database_url(service))
    try:
        found = []
        for [table] in await connection.fetch(_TABLES):
            for [row] in await connection.fetch(_ROWS.format(table=table)):
                if word in row or word.encode().hex() in row:
                    found.append(f"{service}.{table}: {row[:300]}")
        return found
    finally:
        await connection.close()
