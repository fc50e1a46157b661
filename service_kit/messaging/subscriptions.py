"""`@consumes` registers a function as the handler of an event. Handlers are collected and checked at start-up."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from types import ModuleType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.events.base import Event
from contracts.topics import Topic
from service_kit.database.sessions import AnySession, Transaction
from service_kit.messaging.envelope import Envelope
from service_kit.telemetry.tracing import continue_trace

Function = TypeVar("Function", bound=Callable[..., Awaitable[None]])

Consumers = ModuleType | Callable[..., Awaitable[None]]
"""A module whose `@consumes` functions are collected, or one such function."""

_MARK = "__consumes__"


class WrongSubscription(TypeError):
    """A handler with a wrong signature. It is raised at start-up, not when an event arrives."""


def consumes(event: type[Event], *, batch: bool = False) -> Callable[[Function], Function]:
    """Calls the function for each such event, in the transaction that also claims it.

    `async def f(tx: Session | Transaction, event: X)`, or with `batch=True` `(tx, events: list[X])`, where each key's
    events are in order; a third parameter gets the `Envelope`, or the `list[Envelope]`. If a function has several of
    these decorators, its batches have the events of all these types. A batch of a compacted topic has only the newest
    event of each key, in ascending order of the keys, so that one statement can write all of them.
    """

    def mark(function: Function) -> Function:
        marks = [*getattr(function, _MARK, ()), (event, batch)]
        setattr(function, _MARK, marks)
        return function

    return mark


@dataclass(frozen=True, eq=False)
class Handler:
    """A handler function, and what its decorator and its signature declare."""

    function: Callable[..., Awaitable[None]]
    event: type[Event]
    batch: bool
    in_transaction: bool
    wants_envelope: bool

    @property
    def name(self) -> str:
        return f"{self.function.__module__}.{self.function.__qualname__}"

    async def call(self, tx: AnySession, events: Sequence[Event], envelopes: Sequence[Envelope]) -> None:
        """Calls the function with all events, or with one after the other, within their trace."""
        if self.batch:
            # The events of a batch may belong to several traces: a handler that publishes passes on each one's.
            with continue_trace(envelopes[0].traceparent if len(envelopes) == 1 else None):
                await self.function(tx, list(events), *([list(envelopes)] if self.wants_envelope else ()))
            return
        for event, envelope in zip(events, envelopes, strict=True):
            with (
                continue_trace(envelope.traceparent),
                structlog.contextvars.bound_contextvars(event_id=str(envelope.id), event_type=envelope.type),
            ):
                await self.function(tx, event, *([envelope] if self.wants_envelope else ()))


@dataclass
class Subscription:
    """The handlers of a service for one topic, and the sources (`ce_source`) that it trusts."""

    topic: Topic
    handlers: dict[str, Handler] = field(default_factory=dict)
    outside_sources: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.trusted_sources = self.topic.trusted_sources | self.outside_sources

    @property
    def in_transaction(self) -> bool:
        return next(iter(self.handlers.values())).in_transaction


def gather(
    consumers: Sequence[Consumers], outside_sources: Mapping[str, frozenset[str]] | None = None
) -> dict[str, Subscription]:
    """The subscriptions of all these `@consumes` functions, by topic. Raises: WrongSubscription.

    `outside_sources`: by topic, sources that a setting trusts besides the services that the contracts name.
    """
    found: dict[str, Subscription] = {}
    for function in chain.from_iterable(map(_functions, consumers)):
        for event, batch in getattr(function, _MARK, ()):
            topic = event.topic
            outside = (outside_sources or {}).get(topic.name, frozenset())
            _add(
                found.setdefault(topic.name, Subscription(topic, outside_sources=outside)),
                _handler(function, event, batch),
            )
    return found


def _functions(consumers: Consumers) -> list[Any]:
    if not isinstance(consumers, ModuleType):
        return [consumers]
    # A handler that a module imports belongs to the other module, which need not be one of the consumers.
    return [each for each in vars(consumers).values() if getattr(each, "__module__", None) == consumers.__name__]


def _add(subscription: Subscription, handler: Handler) -> None:
    topic, type = handler.event.topic, handler.event.type
    if duplicate := subscription.handlers.get(type):
        raise WrongSubscription(f"{type} is handled twice: by {duplicate.name} and by {handler.name}")
    for other in subscription.handlers.values():
        if other.in_transaction != handler.in_transaction:
            raise WrongSubscription(
                f"topic {topic.name}: {other.name} and {handler.name} must both take a Session or both a Transaction: "
                "a batch is one transaction"
            )
    subscription.handlers[type] = handler


def _handler(function: Any, event: type[Event], batch: bool) -> Handler:
    where = f"{function.__module__}.{function.__qualname__}"
    if not inspect.iscoroutinefunction(function):
        raise WrongSubscription(f"{where}: must be an async function")
    hints = get_type_hints(function)
    parameters = list(inspect.signature(function).parameters)
    if len(parameters) not in (2, 3):
        raise WrongSubscription(f"{where}: takes (tx, event{'s' if batch else ''}) and, if it wants, the envelope")
    db, given = hints.get(parameters[0]), hints.get(parameters[1])
    if db not in (AsyncSession, Transaction):
        raise WrongSubscription(f"{where}: `{parameters[0]}` must be annotated Session or Transaction")
    _expect(where, parameters[1], given, event, batch)
    if len(parameters) == 3:
        _expect(where, parameters[2], hints.get(parameters[2]), Envelope, batch)
    return Handler(function, event, batch, in_transaction=db is Transaction, wants_envelope=len(parameters) == 3)


def _expect(where: str, parameter: str, given: Any, wanted: type, batch: bool) -> None:
    """Raises: WrongSubscription, if a parameter can't take `wanted`. It may be a union with it, or a base class."""
    inner = given
    if batch:
        inner = get_args(given)[0] if get_origin(given) in (list, Sequence) else None
    accepted = get_args(inner) or (inner,)
    if not any(isinstance(kind, type) and issubclass(wanted, kind) for kind in accepted):
        name = f"list[{wanted.__name__}]" if batch else wanted.__name__
        raise WrongSubscription(f"{where}: `{parameter}` must be annotated {name}")
