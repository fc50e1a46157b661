"""The spans of orders: each order is one tree, from its request through outbox, Kafka, gateway and webhook."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from local_stack import report
from local_stack.parts import SERVICES
from service_kit.database.administration import administration
from tests.conftest import new_shop
from tests.harness.spans import ReceivedSpan, SpanReceiver, orphans
from tests.system.traces import NOTIFIED, PLACED, WEBHOOK, TracedOrders, lacking
from tests.system.world import ADDRESS, Person, World, until

MILLISECOND = 10**6
HTTP = {"http.request.method", "http.response.status_code"}
MESSAGE = {
    "messaging.system", "messaging.operation.name", "messaging.operation.type", "messaging.destination.name",
    "messaging.message.id", "cloudevents.event_type",
}  # fmt: skip
RECORD = {"messaging.destination.partition.id", "messaging.kafka.offset", "messaging.batch.message_count"}
ATTRIBUTES = {
    "SERVER": HTTP | {"http.route"},
    "CLIENT": HTTP | {"server.address", "server.port"},
    "PRODUCER": MESSAGE,
    "CONSUMER": MESSAGE | RECORD,
}
"""All attributes of spans by their kind; a failed one has `error.type` as well."""
REJECT = """
CREATE FUNCTION reject() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN IF NEW.customer_id = '{customer_id}' THEN RAISE EXCEPTION 'rejectd'; END IF; RETURN NEW; END $$;
CREATE TRIGGER reject BEFORE INSERT ON notifications FOR EACH ROW EXECUTE FUNCTION reject();
"""


async def tree_of(spans: SpanReceiver, trace: str, root: str) -> list[ReceivedSpan]:
    """The spans of a trace, once all that an order should have were received."""

    async def complete() -> bool:
        tree = spans.of(trace)
        return not lacking(tree) and not orphans(tree, root)

    try:
        await until("the trace is complete", complete)
    except AssertionError:
        tree = spans.of(trace)
        raise AssertionError(f"lacking: {sorted(lacking(tree))}; orphans: {orphans(tree, root)}") from None
    return spans.of(trace)


async def test_an_order_that_is_paid_by_its_token_is_one_tree(world: World, spans: SpanReceiver) -> None:
    customer, product, orders = await world.customer(), await world.product(stock=30), TracedOrders(world, spans)
    for trace, order in [await orders.place(customer, product) for _ in range(5)]:
        await customer.order_becomes(str(order["id"]), "paid")
        tree = await tree_of(spans, trace, orders.root)
        assert [span.label for span in tree if span.parent == orders.root] == [PLACED]
        began = {span.id: span.began for span in tree}
        early = [span for span in tree if span.began + MILLISECOND < began.get(span.parent, 0)]
        assert early == []
        assert [span for span in tree if span.ended < span.began] == []


async def test_a_refund_is_in_the_trace_of_the_request_that_caused_it(world: World, spans: SpanReceiver) -> None:
    customer, product, orders = await world.customer(), await world.product(stock=3), TracedOrders(world, spans)
    _, order = await orders.place(customer, product)
    await customer.order_becomes(str(order["id"]), "paid")
    trace = secrets.token_hex(16)
    headers = {"traceparent": f"00-{trace}-{orders.root}-01"}
    await customer.call("order", "POST", f"/orders/{order['id']}/cancel", headers=headers)
    refunding, webhook = "order_service POST sandbox.refund", WEBHOOK

    async def complete() -> bool:
        tree = spans.of(trace)
        return {refunding, webhook} <= {span.label for span in tree} and not orphans(tree, orders.root)

    await until("the refund is in the trace", complete)
    by_id = {span.id: span for span in spans.of(trace)}
    assert {by_id[span.parent].label for span in by_id.values() if span.label == webhook} == {refunding}


async def test_spans_have_the_attributes_of_the_conventions_and_no_others(world: World, spans: SpanReceiver) -> None:
    customer, product, orders = await world.customer(), await world.product(stock=3), TracedOrders(world, spans)
    trace, _ = await orders.place(customer, product)
    tree = await tree_of(spans, trace, orders.root)
    for span in tree:
        assert span.failed == ("error.type" in span.attributes)
        if span.failed:  # a request that got no response has no status
            assert span.attributes.keys() <= ATTRIBUTES[span.kind] | {"error.type"}, span.label
        else:
            assert span.attributes.keys() == ATTRIBUTES[span.kind], span.label
    assert {span.kind for span in tree} == ATTRIBUTES.keys()
    await world.http.get(f"{world.url('order')}/nowhere", headers={"traceparent": f"00-{trace}-{orders.root}-01"})

    async def without_route() -> list[ReceivedSpan]:
        return [span for span in spans.of(trace) if span.name == "GET"]

    [span] = await until("the request for an unknown path", without_route)
    assert span.attributes == {"http.request.method": "GET", "http.response.status_code": 404}


class Canaries:
    """A customer whose data can be recognised, and everything that they do is traced."""

    def __init__(self, world: World) -> None:
        self.word = f"canary{secrets.token_hex(8)}"
        self.world = world
        self.trace = secrets.token_hex(16)
        world.http.headers["traceparent"] = f"00-{self.trace}-{secrets.token_hex(8)}-01"
        self.person = Person(world, f"{self.word}@example.com", f"{self.word} horse battery")

    async def do_everything(self) -> None:
        """Requests that succeed and fail, with personal data in bodies, paths, queries and headers."""
        person, word = self.person, self.word
        body = {"email": person.email, "password": person.form["password"], "full_name": f"Ada {word}"}
        await person.call("user", "POST", "/users", json=body)
        await person.ask("user", "POST", "/users", json=body)
        await person.ask("user", "POST", "/users", json={**body, "email": f"{word} is no address"})
        await person.ask("user", "POST", "/auth/token", data={**person.form, "password": f"wrong {word}"})
        await person.sign_in()
        product = await self.world.product(stock=3)
        address = {**ADDRESS, "name": f"Ada {word}", "line1": f"1 {word} Street", "city": word}
        line = {"product_id": product, "quantity": 1}
        order = {"lines": [line], "ship_to": address, "payment_token": "tok_ok"}
        headers = {"Idempotency-Key": word, "User-Agent": word, "X-Request-Id": word, "tracestate": f"a={word}"}
        placed = await person.call("order", "POST", "/orders", json=order, headers=headers)
        await person.ask("order", "POST", "/orders", json={**order, "payment_token": [word]}, headers=headers)
        for path in (f"/{word}", f"/orders/{word}", f"/orders?cursor={word}"):
            await person.ask("order", "GET", path)
        await person.order_becomes(placed["id"], "paid")
        await self.world.deliver(placed["id"])
        await person.order_becomes(placed["id"], "delivered")
        await person.asks_to_return(placed["id"], product, 1, key=f"return-{word}")


async def test_no_personal_data_is_in_any_span(world: World, spans: SpanReceiver) -> None:
    """Everything that was exported is searched: names, attributes, events, links, statuses and resources."""
    canaries = Canaries(world)
    await canaries.do_everything()
    person = canaries.person
    labels = {"user_service POST /users", "user_service POST /auth/token", PLACED, NOTIFIED}

    async def complete() -> bool:
        found = spans.of(canaries.trace)
        failed = {span.attributes.get("http.response.status_code") for span in found}
        return labels <= {span.label for span in found} and {404, 409, 422} <= failed

    await until("the requests are traced", complete)
    exported = b"\n".join(spans.exports)
    assert b"user_service" in exported
    secret = [canaries.word, person.id, "tok_ok", "127.0.0.1", ADDRESS["line1"]]
    assert [value for value in secret if value.encode() in exported] == []


async def test_each_order_is_one_tree_while_services_are_killed(world: World, spans: SpanReceiver) -> None:
    """What a killed process had not exported is lacking, and nothing else is."""
    orders = TracedOrders(world, spans)
    customer, product = await world.customer(), await world.product(stock=100)
    for victim in ("inventory", "order"):
        await orders.place_while_killing(customer, product, 24, victim)
    await orders.are_paid([customer])
    assert len(orders.ids) == 48

    async def no_faults() -> bool:
        return not orders.faults()

    try:
        await until("the traces are complete", no_faults)
    except AssertionError:
        assert orders.faults() == []


@contextmanager
def refusing(world: World, customer: Person) -> Iterator[None]:
    """The notification service can't store what this customer is to be notified of."""
    with administration(world.shop.database_url("notification")) as cursor:
        cursor.execute(REJECT.format(customer_id=customer.id))
    yield
    with administration(world.shop.database_url("notification")) as cursor:
        cursor.execute("DROP TRIGGER reject ON notifications")


async def are_dead(world: World, count: int) -> bool:
    return (
        len((await world.staff.call("notification", "GET", "/dead-letters", params={"limit": 100}))["items"]) >= count
    )


async def replay_dead_letters(world: World) -> int:
    """Replays dead letters until no event waits; returns how many were replayed."""
    replayed = set()

    async def none_waits() -> bool:
        letters = (await world.staff.call("notification", "GET", "/dead-letters", params={"limit": 100}))["items"]
        for letter in letters:
            replayed.add(letter["id"])
            await world.staff.ask("notification", "POST", f"/dead-letters/{letter['id']}/replay")
        with administration(world.shop.database_url("notification")) as cursor:
            cursor.execute("SELECT count(*) FROM parked_events")
            return cursor.fetchone() == (0,)

    await until("the retry queue is empty", none_waits)
    return len(replayed)


def nothing_is_left(world: World) -> bool:
    return all(not line.lag and not line.outbox for line in report.status(world.shop))


def was_replayed(tree: list[ReceivedSpan]) -> bool:
    """Whether events of the order could not be handled at first, and all of these were in the end."""
    attempts = [(span.attributes["messaging.message.id"], span.failed) for span in tree if span.label == NOTIFIED]
    failed = {message for message, has_failed in attempts if has_failed}
    return bool(failed) and failed <= {message for message, has_failed in attempts if not has_failed}


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_a_thousand_orders_are_a_thousand_trees(request: pytest.FixtureRequest, spans: SpanReceiver) -> None:
    """Each service is killed twice, and events fail, become dead letters and are replayed. In the end the services are
    stopped, so that all spans are exported."""
    with new_shop(request, **spans.settings, EVENT_ATTEMPTS="3") as shop:
        async with World(shop) as world:
            orders = TracedOrders(world, spans)
            customers = [await world.customer() for _ in range(10)]
            product, unlucky = await world.product(stock=2000), customers[4]
            victims = [part.name for part in SERVICES] * 2
            for customer, victim in zip(customers, victims, strict=True):
                if customer is not unlucky:
                    await orders.place_while_killing(customer, product, 100, victim)
                    continue
                with refusing(world, customer):
                    await orders.place_while_killing(customer, product, 100, victim)
                    await until("all letters are dead", lambda: are_dead(world, 100))
                replayed = await replay_dead_letters(world)
            await orders.are_paid(customers)
            await until("all events are handled", lambda: asyncio.to_thread(nothing_is_left, world))
            for part in SERVICES:
                await asyncio.to_thread(shop.stop, part.name)
    assert len(orders.ids) == 1000
    assert replayed >= 100
    assert orders.faults() == []
    assert orders.count(was_replayed) == 100
    lost = orders.count(lambda tree: len({span.parent for span in orphans(tree, orders.root)}))
    whole = orders.count(lambda tree: not lacking(tree) and not orphans(tree, orders.root))
    print(
        f"1,000 trees of {orders.count(len)} spans, {whole} of them whole; killed processes lost {lost} with children"
    )
