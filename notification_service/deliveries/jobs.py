"""Sends what is due. No transaction is open while the mail server is spoken to.

A crash between the server's `250` and our mark sends a message again, under the same `Message-ID`: so marks follow at
once, in groups of whatever was sent while the last group was being marked. What a killed process was sending is taken
over soon, because a hold is short; one who lives renews it, however long a mail server takes.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import structlog
from prometheus_client import Counter

from notification_service.deliveries import queries, withheld_queries
from notification_service.deliveries.mail import compose
from notification_service.deliveries.models import NOT_VERIFIED, Status
from notification_service.deliveries.queries import Claimed, Outcome
from notification_service.notifications.queries import DELIVERIES_DUE
from service_kit.database import Database
from service_kit.jobs import Job
from service_kit.mail import Mailer, Refused, ServerAway
from service_kit.runtime import Runtime

BATCH = 200
HOLD = timedelta(seconds=15)
ATTEMPTS = 10
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=2)
WHILE_SERVER_IS_AWAY = timedelta(seconds=5)
ERROR_LENGTH = 500

MAILS = Counter("emails_total", "E-mails by what became of them; pending: to be tried again", ["status"])
log = structlog.get_logger(__name__)


async def send_due(runtime: Runtime) -> None:
    """One batch; when there is more, the next follows at once."""
    began = time.monotonic()
    async with runtime.database.hot() as connection:
        claimed = await queries.claim(connection, BATCH, HOLD)
    if not claimed:
        return
    sending = _Sending(runtime.resource(Mailer), runtime.database, claimed, began)
    await sending.run()
    if len(claimed) == BATCH and not sending.server_away:
        runtime.jobs.wake(SEND_MAIL.name)


SEND_MAIL = Job("send-mail", send_due, every=timedelta(seconds=0.5), woken_by=DELIVERIES_DUE)


class _Sending:
    """One batch, claimed at `began` or a little later, on its way: several senders, and one who marks and renews."""

    def __init__(self, mailer: Mailer, database: Database, claimed: list[Claimed], began: float) -> None:
        self.server_away: str | None = None
        self._mailer = mailer
        self._database = database
        self._claimed = claimed
        self._outcomes: asyncio.Queue[Outcome] = asyncio.Queue()
        self._unmarked = {delivery.id for delivery in claimed}
        self._ours = set(self._unmarked)
        self._held_until = claimed[0].held_until
        self._renewed = began  # from before the statement, so that we never think the hold longer than it is

    async def run(self) -> None:
        """Raises what the marking raises: what was sent by then and not marked is sent again when the hold ends."""
        marker = asyncio.create_task(self._mark())
        todo = iter(_in_groups(self._claimed))
        try:
            await asyncio.gather(*(self._send_each(todo, marker) for _ in range(self._mailer.size)))
            await marker
        finally:
            marker.cancel()
        if self.server_away:
            log.warning("mail_server_away", error=self.server_away)

    async def _send_each(self, todo: Iterator[list[Claimed]], marker: "asyncio.Task[None]") -> None:
        for group in todo:
            put_off: timedelta | None = None
            for delivery in group:
                if marker.done():
                    return
                outcome = _postponed(delivery, None, put_off) if put_off is not None else await self._send(delivery)
                if outcome.status == Status.PENDING:
                    put_off = outcome.wait  # those that follow in this group come after it next time too
                self._outcomes.put_nowait(outcome)

    async def _send(self, delivery: Claimed) -> Outcome:
        if not delivery.verified:
            return Outcome(delivery.id, Status.WITHHELD, NOT_VERIFIED, attempts=0)
        if self.server_away:
            return _postponed(delivery, self.server_away)
        if delivery.id not in self._ours or time.monotonic() - self._renewed > HOLD.total_seconds():
            return _postponed(delivery, None, wait=timedelta(0))  # we slept: another may have it by now
        return await self._attempt(delivery)

    async def _attempt(self, delivery: Claimed) -> Outcome:
        try:
            message = compose(delivery, mail_from=self._mailer.mail_from, domain=self._mailer.mail_domain)
            await self._mailer.send(message, delivery.address)
        except ServerAway as error:
            self.server_away = str(error)
            return _postponed(delivery, self.server_away)
        except Refused as error:
            return _refused(delivery, error)
        except ValueError as error:
            return Outcome(delivery.id, Status.FAILED, f"the address can't be used: {error}"[:ERROR_LENGTH])
        return Outcome(delivery.id, Status.SENT)

    async def _mark(self) -> None:
        while self._unmarked:
            outcomes = await self._next_outcomes()
            async with self._database.hot() as connection:
                if outcomes:
                    await queries.settle(connection, outcomes, self._held_until)
                    if withheld := [outcome.id for outcome in outcomes if outcome.status == Status.WITHHELD]:
                        await withheld_queries.look_again(connection, withheld)
                    self._unmarked -= {outcome.id for outcome in outcomes}
                if self._unmarked and self._until_renewal() <= 0:
                    began = time.monotonic()
                    self._ours, self._held_until = await queries.renew(
                        connection, self._unmarked, self._held_until, HOLD
                    )
                    self._renewed = began
            for outcome in outcomes:
                MAILS.labels(outcome.status.value).inc()

    async def _next_outcomes(self) -> list[Outcome]:
        """None, if there are none before the hold must be renewed."""
        try:
            async with asyncio.timeout(max(self._until_renewal(), 0)):
                outcomes = [await self._outcomes.get()]
        except TimeoutError:
            return []
        while not self._outcomes.empty():
            outcomes.append(self._outcomes.get_nowait())
        return outcomes

    def _until_renewal(self) -> float:
        return self._renewed + HOLD.total_seconds() / 3 - time.monotonic()


def _in_groups(claimed: list[Claimed]) -> list[list[Claimed]]:
    """What one sender sends, one after the other: of a recipient all that was withheld, else a single mail."""
    groups: dict[UUID, list[Claimed]] = {}
    for delivery in claimed:
        groups.setdefault(delivery.customer_id if delivery.in_order else delivery.id, []).append(delivery)
    return list(groups.values())


def _postponed(delivery: Claimed, error: str | None, wait: timedelta = WHILE_SERVER_IS_AWAY) -> Outcome:
    """Not counted as an attempt: it is no fault of the message."""
    return Outcome(delivery.id, Status.PENDING, error and error[:ERROR_LENGTH], attempts=0, wait=wait)


def _refused(delivery: Claimed, error: Refused) -> Outcome:
    """Tried again with back-off, in vain at most ATTEMPTS times."""
    words = str(error)[:ERROR_LENGTH]
    if error.permanent or delivery.attempts + 1 >= ATTEMPTS:
        return Outcome(delivery.id, Status.FAILED, words)
    wait = min(FIRST_RETRY * 2**delivery.attempts, LONGEST_RETRY) * random.uniform(0.8, 1.2)
    return Outcome(delivery.id, Status.PENDING, words, wait=wait)
