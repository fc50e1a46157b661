"""Replays what happened to the things of a service since the moment to which its database was restored.

Events of others go through the service's usual handlers. Between them, in the order of time, the service's own events
tell its commands. Most of its own events are consequences: the replay makes them again. What it makes is compared with
what was published: what is on its topic already is dropped, anything else stays in the outbox to be published.
"""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

import structlog

from contracts.events import by_type
from contracts.events.base import Event
from service_kit.database import Statement, Transaction
from service_kit.messaging import inbox
from service_kit.messaging.envelope import Envelope
from service_kit.messaging.incoming import Incoming, read
from service_kit.messaging.subscriptions import Subscription
from service_kit.recovery import Entry, Journal

log = structlog.get_logger(__name__)

_LAST_EVENT = Statement("SELECT coalesce(max(id), 0) FROM outbox")
_NEW_EVENTS = Statement("SELECT id, type, value FROM outbox WHERE id > :after AND key = :key ORDER BY id")
_DROP_EVENTS = Statement("DELETE FROM outbox WHERE id = ANY(:ids::bigint[])")

_ONE_TRANSACTION = timedelta(milliseconds=1)
_NOT_HANDLED = datetime.max.replace(tzinfo=UTC)
_IDS = ("payment_id", "refund_id", "shipment_id", "return_id", "refunded")


def event_of(entry: Entry) -> Event | None:
    """None: its type is unknown to this version."""
    model = by_type(entry.envelope.type)
    return model.model_validate_json(entry.record.value) if model else None


def same_thing(event: Event) -> tuple[Any, ...]:
    """Equal for an event and the one that a replay makes of the same thing: its ids, but neither version nor time."""
    return event.type, *(getattr(event, name, None) for name in _IDS)


class Published:
    """The events with one key that were published, and that the replay has not come to yet, in their order. `versions`:
    the highest one of each subject."""

    def __init__(self) -> None:
        self.left: dict[UUID, Event] = {}
        self.versions: Counter[UUID] = Counter()

    def add(self, id: UUID, event: Event) -> None:
        self.left[id] = event
        subject = UUID(event.subject)
        self.versions[subject] = max(event.version, self.versions[subject])

    def take(self, kind: type[Event], **equal: Any) -> Any:
        """The first event of this type that has these values, which then counts as replayed; None: there is none."""
        for id, event in self.left.items():
            if isinstance(event, kind) and all(getattr(event, name) == value for name, value in equal.items()):
                return self.left.pop(id)
        return None


class Repeated(NamedTuple):
    """What a function needs to repeat an event; `at`: when it was published."""

    tx: Transaction
    at: datetime
    published: Published
    journal: Journal
    settings: Any


Repeat = Callable[[Repeated, Any], Awaitable[None]]


@dataclass(frozen=True)
class Rules:
    """A service's rules. `repeat`: a function for each type of its own events that can tell a command. `same`: see
    `same_thing`. `adopt`: gives what the replay has made the id that it had. `precedence`: of topics, for events of
    one transaction. `withdraw`: undoes what the replay has made if it is a part of something published, and returns
    whether it is: the service handles events in batches, with one consequence of several, and the replay one by one.
    `answers`: the service's own events that show when it handled an event of others, which may have waited long."""

    subscriptions: dict[str, Subscription]
    repeat: Mapping[type[Event], Repeat]
    same: Callable[[Event], tuple[Any, ...]] = same_thing
    adopt: Callable[[Transaction, Event, Event], Awaitable[None]] | None = None
    precedence: Mapping[str, int] | None = None
    withdraw: Callable[[Transaction, Event, Iterable[Event]], Awaitable[bool]] | None = None
    answers: Mapping[type[Event], tuple[type[Event], ...]] = field(default_factory=dict)


class Replay:
    def __init__(self, tx: Transaction, journal: Journal, rules: Rules, settings: Any) -> None:
        self._tx = tx
        self._journal = journal
        self._rules = rules
        self._settings = settings
        self._source = f"/{settings.service_name}"
        self._published: defaultdict[bytes, Published] = defaultdict(Published)
        self._last_event = 0

    async def run(self, own: Iterable[Entry], others: Iterable[Entry]) -> None:
        """Entries of others whose key the service has published nothing about are left to its consumer."""
        entries, others = list(own), list(others)
        handled = self._handled(entries, others)
        for entry in entries:
            if (event := event_of(entry)) is not None:
                self._published[entry.record.key].add(entry.envelope.id, event)
        entries += [entry for entry in others if entry.record.key in self._published]
        self._last_event = await _LAST_EVENT.fetchval(self._tx)
        for entry in self._in_order(entries, handled):
            published = self._published[entry.record.key]
            await self._attempt(entry, published)
            await self._compare(entry.record.key, published)
            published.left.pop(entry.envelope.id, None)

    def _handled(self, own: Iterable[Entry], others: Iterable[Entry]) -> dict[UUID, datetime]:
        """When events of others with answers were handled: the first one of a key has the first answer."""
        answers = {key.type: {answer.type for answer in types} for key, types in self._rules.answers.items()}
        published: defaultdict[bytes, list[Envelope]] = defaultdict(list)
        for entry in own:
            published[entry.record.key].append(entry.envelope)
        handled: dict[UUID, datetime] = {}
        for record, envelope in others:
            if envelope.type not in answers or envelope.id in handled:
                continue
            candidates = published[record.key]
            answer = next((each for each in candidates if each.type in answers[envelope.type]), None)
            handled[envelope.id] = answer.time if answer else _NOT_HANDLED
            if answer is not None:
                candidates.remove(answer)
        return handled

    def _in_order(self, entries: Iterable[Entry], handled: Mapping[UUID, datetime]) -> list[Entry]:
        """By time, what others wrote first. The events of one transaction are ordered by the precedence of their
        topics: they are successive ones with one key, less than a millisecond after the first one."""
        precedence = self._rules.precedence or {}
        placed: list[tuple[datetime, bool, int, datetime, Entry]] = []
        firsts: dict[bytes, datetime | None] = {}
        timed = [(handled.get(each.envelope.id, each.envelope.time), self._is_own(each), each) for each in entries]
        for at, own, entry in sorted(timed, key=itemgetter(0, 1)):
            first = firsts.get(entry.record.key)
            if not own or first is None or at - first >= _ONE_TRANSACTION:
                first = at
            firsts[entry.record.key] = first if own else None
            placed.append((first, own, precedence.get(entry.record.topic, -1), at, entry))
        return [entry for *_, entry in sorted(placed, key=itemgetter(0, 1, 2, 3))]

    def _is_own(self, entry: Entry) -> bool:
        return entry.envelope.source == self._source

    async def _attempt(self, entry: Entry, published: Published) -> None:
        """What can't be applied changes nothing, and is counted; events of others are then left to the consumer."""
        await self._tx.execute("SAVEPOINT entry")
        try:
            if not self._is_own(entry):
                await self._handle(entry)
            elif (event := published.left.get(entry.envelope.id)) is not None:
                await self._repeat(event, entry.envelope.time, published)
        except Exception as error:
            await self._tx.execute("ROLLBACK TO SAVEPOINT entry")
            type, key = entry.envelope.type, entry.record.key.decode()
            log.warning("event_not_replayed", type=type, key=key, error=repr(error))
            self._journal.note(f"not replayed: {type}", key)
        await self._tx.execute("RELEASE SAVEPOINT entry")

    async def _handle(self, entry: Entry) -> None:
        incoming = self._incoming(entry)
        if incoming is None or not await inbox.claim(self._tx, entry.record.topic, [entry.envelope.id]):
            return
        await incoming.handler.call(self._tx, [incoming.event], [incoming.envelope])
        self._journal.found["events of others handled again"] += 1

    def _incoming(self, entry: Entry) -> Incoming | None:
        subscription = self._rules.subscriptions.get(entry.record.topic)
        if subscription is None or entry.envelope.source not in subscription.trusted_sources:
            return None
        return read(entry.record, subscription, self._source)

    async def _repeat(self, event: Event, at: datetime, published: Published) -> None:
        function = self._rules.repeat.get(type(event))
        if function is None:
            self._journal.note(f"not explained: {event.type}", event.key)
            return
        await function(Repeated(self._tx, at, published, self._journal, self._settings), event)

    async def _compare(self, key: bytes, published: Published) -> None:
        again = []
        for row_id, type, value in await _NEW_EVENTS.fetch(self._tx, after=self._last_event, key=key):
            self._last_event = row_id
            model = by_type(type)
            event = model.model_validate_json(value) if model else None
            if event is not None and await self._was_published(event, published):
                again.append(row_id)
            else:
                self._journal.found[f"published now: {type}"] += 1
        await _DROP_EVENTS.execute(self._tx, ids=again)

    async def _was_published(self, event: Event, published: Published) -> bool:
        wanted = self._rules.same(event)
        known = next((id for id, each in published.left.items() if self._rules.same(each) == wanted), None)
        if known is None:
            withdraw = self._rules.withdraw
            return withdraw is not None and await withdraw(self._tx, event, published.left.values())
        original = published.left.pop(known)
        if self._rules.adopt is not None:
            await self._rules.adopt(self._tx, event, original)
        return True
