"""Sends recognisable secrets through a running shop, and searches for them in logs, topics, metrics and databases."""

import json
from uuid import uuid4

import asyncpg
import pytest

from contracts.events.users import UserChanged
from contracts.topics import all_topics
from local_stack.environment import generated
from local_stack.parts import SERVICES
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.messaging.envelope import Envelope, Record, encode
from tests.security.seeded_service import seeded_service
from tests.system.log import records_of
from tests.system.world import Person, World, until

_TABLES = """
SELECT quote_ident(table_name) FROM information_schema.tables
WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
"""
SHORTEST = 12
"""Settings shorter than this are not searched for, since they could occur by chance."""


class Canaries:
    """The secrets by name, and searches for them in everything that a shop writes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.secrets = {f"setting {name}": world.shop.settings.get(name, "") for name in generated()}
        self.secrets = {name: value for name, value in self.secrets.items() if len(value) >= SHORTEST}
        self.bodies: list[str] = []

    def make(self, name: str) -> str:
        self.secrets[name] = f"canary-{uuid4().hex}"
        return self.secrets[name]

    def in_text(self, text: str) -> set[str]:
        return {name for name, secret in self.secrets.items() if secret in text or secret.encode().hex() in text}

    async def send(self, person: Person, service: str, method: str, path: str, **request: object) -> int:
        """Sends a request, and keeps an error response, which must not repeat any secret."""
        answer = await person.ask(service, method, path, **request)
        if answer.is_error:
            self.bodies.append(answer.text + str(answer.headers))
        return answer.status_code

    async def in_logs(self) -> dict[str, set[str]]:
        """Searches the logs once they contain the last request, since they are written with a delay."""
        last = f"/nowhere/{uuid4().hex}"
        for part in SERVICES:
            await self.world.http.get(self.world.url(part.name) + last)

            async def written(name: str = part.name) -> bool:
                return last in self.world.shop.log(name).read_text(errors="replace")

            await until(f"the log of {part.name}", written)
        logs = [self.world.shop.log(part.name) for part in self.world.shop.layout.parts]
        return _where({log.name: log.read_text(errors="replace") for log in logs if log.exists()}, self)

    async def in_topics(self) -> dict[str, set[str]]:
        records = await records_of(self.world.shop.kafka, topics=all_topics())
        assert records
        return _where({f"{each.topic} {each.type}": each.value.decode(errors="replace") for each in records}, self)

    async def in_metrics(self) -> dict[str, set[str]]:
        shown = {}
        for part in SERVICES:
            places = {
                self.world.url(part.name): ("/health/ready", "/openapi.json", "/docs"),
                self.world.operations_url(part.name): ("/metrics", "/health/ready", "/health/consumers"),
            }
            for url, paths in places.items():
                for path in paths:
                    answer = await self.world.http.get(url + path)
                    assert answer.status_code != 404, answer.request.url
                    shown[str(answer.request.url)] = answer.text
        return _where(shown, self)

    async def in_databases(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for part in SERVICES:
            connection = await asyncpg.connect(self.world.shop.database_url(part.name))
            for [table] in await connection.fetch(_TABLES):
                rows = await connection.fetch(f"SELECT row_to_json(t)::text FROM {table} AS t")
                found |= _where({f"{part.name}.{table}": "\n".join(row[0] for row in rows)}, self)
            await connection.close()
        return found


def _where(texts: dict[str, str], canaries: Canaries) -> dict[str, set[str]]:
    return {place: names for place, text in texts.items() if (names := canaries.in_text(text))}


async def test_secrets_are_neither_stored_nor_shown(world: World) -> None:
    canaries = Canaries(world)
    assert len(canaries.secrets) >= 8
    person = await _register_and_sign_in(world, canaries)
    await _fail_to_sign_in(world, canaries)
    await _pay(world, canaries, person)
    await _send_forged_webhooks(world, canaries, person)
    assert canaries.bodies
    for body in canaries.bodies:
        assert canaries.in_text(body) == set(), body
    assert await canaries.in_logs() == {}
    assert await canaries.in_topics() == {}
    assert await canaries.in_metrics() == {}
    assert await canaries.in_databases() == {}


async def test_the_search_finds_existing_values(world: World) -> None:
    """The test above is worth nothing if the search finds nothing, so this one looks for a name that is stored."""
    canaries = Canaries(world)
    canaries.secrets = {"a name": canaries.make("a name")}
    person = Person(world, f"{canaries.secrets['a name']}@example.com", "correct horse battery")
    body = {"email": person.email, "password": "correct horse battery", "full_name": "Ada"}
    await world.staff.call("user", "POST", "/users", json=body)
    await canaries.send(person, "product", "GET", f"/categories/{canaries.secrets['a name']}")
    assert await canaries.in_logs()
    assert await canaries.in_databases()

    async def emitted() -> bool:
        return bool(await canaries.in_topics())

    await until("the topic has it", emitted)


async def _register_and_sign_in(world: World, canaries: Canaries) -> Person:
    person = Person(world, f"{uuid4().hex[:12]}@example.com", canaries.make("password"))
    body = {"email": person.email, "password": person.form["password"], "full_name": "Ada King"}
    assert await canaries.send(person, "user", "POST", "/users", json=body) == 201
    assert await canaries.send(person, "user", "POST", "/users", json=body) == 409
    tokens = await person.call("user", "POST", "/auth/token", data=person.form)
    again = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    renewed = await person.call("user", "POST", "/auth/token", data=again)
    for name, found in (("first", tokens), ("second", renewed)):
        canaries.secrets[f"{name} access token"] = found["access_token"].rpartition(".")[2]
        canaries.secrets[f"{name} refresh token"] = found["refresh_token"]
    await person.sign_in()
    return person


async def _fail_to_sign_in(world: World, canaries: Canaries) -> None:
    stranger = Person(world, "nobody@example.com", canaries.make("wrong password"))
    assert await canaries.send(stranger, "user", "POST", "/auth/token", data=stranger.form) == 400
    long = canaries.make("password that is too long") * 20
    assert await canaries.send(stranger, "user", "POST", "/auth/token", data={**stranger.form, "password": long}) == 400
    body = {"email": "no address", "password": canaries.make("password beside a wrong field"), "full_name": "Ada"}
    assert await canaries.send(stranger, "user", "POST", "/users", json=body) == 422
    assert await canaries.send(stranger, "user", "POST", "/users", json={**body, "password": [body["password"]]}) == 422
    form = {"grant_type": "refresh_token", "refresh_token": canaries.make("unknown refresh token")}
    assert await canaries.send(stranger, "user", "POST", "/auth/token", data=form) == 400
    headers = {"Authorization": f"Bearer {canaries.make('forged token')}"}
    for part in SERVICES:
        assert await canaries.send(stranger, part.name, "GET", "/dead-letters", headers=headers) == 401


async def _pay(world: World, canaries: Canaries, person: Person) -> None:
    """Pays with unknown cards: in a request, and with the order's own token once its stock is reserved."""
    product = await world.product(stock=5)
    order = await person.order((product, 1))
    await person.order_becomes(order["id"], "awaiting_payment")
    path, key = f"/orders/{order['id']}/payments", {"Idempotency-Key": str(uuid4())}
    await canaries.send(person, "order", "POST", path, json={"token": canaries.make("card")}, headers=key)
    too_long = canaries.make("card that is too long") * 20
    assert await canaries.send(person, "order", "POST", path, json={"token": too_long}, headers=key) == 422
    by_itself = await person.order((product, 1), payment_token=canaries.make("card of the order itself"))

    async def was_tried() -> bool:
        return bool((await person.call("order", "GET", f"/orders/{by_itself['id']}/payments"))["items"])

    await until("the order pays by itself", was_tried)
    for each in (order, by_itself):
        await person.call("order", "POST", f"/orders/{each['id']}/cancel")


async def _send_forged_webhooks(world: World, canaries: Canaries, person: Person) -> None:
    secret = canaries.make("content of a webhook")
    for headers in ({}, {"Webhook-Signature": f"t=1,v1={canaries.make('signature')}"}):
        path = "/payments/webhooks/sandbox"
        assert await canaries.send(person, "order", "POST", path, json={"type": secret}, headers=headers) == 401


async def test_an_invalid_event_is_reported_without_its_content(capsys: pytest.CaptureFixture[str]) -> None:
    """The dead letter keeps the body for staff; the log and the stored reason contain nothing of it."""
    canary = f"canary-{uuid4().hex}"
    user_id = uuid4()
    envelope = Envelope(uuid7(), UserChanged.type, UserChanged.source, str(user_id), utcnow())
    body = json.dumps({"user_id": str(user_id), "version": canary, "email": [canary], "roles": canary}).encode()
    broken = [body, body[:-1]]
    for service in ("product", "inventory", "order", "notification"):
        async with seeded_service(service) as seeded:
            messaging = seeded.served.runtime.messaging
            for offset, value in enumerate(broken):
                record = Record("users", 0, offset, str(user_id).encode(), encode(envelope), value)
                await messaging.processor.process(messaging.subscriptions["users"], [record])
            async with seeded.served.runtime.database.connection() as connection:
                reasons = await connection.fetch("SELECT error FROM parked_events WHERE error IS NOT NULL")
                headers = await connection.fetch("SELECT headers::text FROM outbox WHERE topic LIKE '%.dlq'")
        assert reasons
        assert canary not in str(reasons) + str(headers)
    logged = capsys.readouterr().out
    assert "event_failed" in logged
    assert canary not in logged
