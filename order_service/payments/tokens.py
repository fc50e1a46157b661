"""Charges the payment tokens that came with orders, as soon as their stock is reserved.

A single order is paid at once. Payments are opened in batches only of orders that arrive while others are being opened,
or while `AT_ONCE` charges are in progress.
"""

import asyncio
from collections.abc import Iterable, Sequence
from uuid import UUID

import structlog

from order_service.payments import attempt_queries, reconciliation
from order_service.payments.gateways.registry import Gateways
from order_service.payments.limits import attempts_per_hour
from order_service.payments.opening import Opened, Opening, open_payments
from order_service.settings import Settings
from service_kit.jobs import all_of
from service_kit.runtime import Runtime
from service_kit.telemetry.tracing import continue_trace

log = structlog.get_logger(__name__)

AT_ONCE = 48
"""The most charges in progress; the gateway's client has more connections, for customers who pay themselves."""
WORTH_OPENING = AT_ONCE // 4
"""While more orders wait, payments are opened as soon as this many may be charged."""
MOST_WAITING = 2_000
"""The most orders that wait in memory; the job finds the others in the database."""


class TokenPayments:
    """The payments by token of one process. Orders that are paid otherwise meanwhile are skipped, under their lock."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._waiting: list[UUID] = []
        self._results: dict[UUID, asyncio.Future[None]] = {}
        """By order, for each that waits or is being paid."""
        self._charging = 0
        self._charged = asyncio.Event()
        self._is_opening = False

    def begin(self, order_ids: Sequence[UUID]) -> None:
        """Pays those of them that have a token, in the background; the job tries failed ones again."""
        self._add(order_ids)

    async def pay(self, order_ids: Sequence[UUID]) -> None:
        """Returns when all of them were tried. Raises the error of one that failed."""
        await all_of(_result(future) for future in self._add(order_ids))

    def _add(self, order_ids: Iterable[UUID]) -> list[asyncio.Future[None]]:
        futures = []
        for order_id in order_ids:
            future = self._results.get(order_id)
            if future is None:
                if len(self._waiting) >= MOST_WAITING:
                    break
                future = self._results[order_id] = asyncio.get_running_loop().create_future()
                future.add_done_callback(_log_failure)
                self._waiting.append(order_id)
            futures.append(future)
        if self._waiting and not self._is_opening:
            self._is_opening = True
            self._runtime.jobs.begin(self._open_all())
        return futures

    async def _open_all(self) -> None:
        try:
            while self._waiting:
                free = AT_ONCE - self._charging
                if free < min(len(self._waiting), WORTH_OPENING):
                    self._charged.clear()
                    await self._charged.wait()
                    continue
                batch, self._waiting = self._waiting[:free], self._waiting[free:]
                await self._open(batch)
        finally:
            self._is_opening = False
            self._end(self._waiting, asyncio.CancelledError())
            self._waiting = []

    async def _open(self, order_ids: Sequence[UUID]) -> None:
        try:
            opened = await self._opened(order_ids)
        except BaseException as error:
            self._end(order_ids, error)
            if not isinstance(error, Exception):
                raise
            return
        self._end(set(order_ids) - {each.payment.order_id for each in opened}, None)
        for each in opened:
            self._charging += 1
            self._runtime.jobs.begin(self._charge(each))

    async def _opened(self, order_ids: Sequence[UUID]) -> list[Opened]:
        """The payments that could be opened: other orders have no token, have ended, or have an open payment."""
        database, attempts = self._runtime.database, attempts_per_hour(self._runtime.resource(Settings))
        async with database.connection() as connection:
            with_token = await attempt_queries.tokens_to_try(connection, order_ids, *attempts)
        if not with_token:
            return []
        async with database.transaction() as tx:
            openings = [Opening(order_id, None) for order_id in with_token]
            results = await open_payments(tx, self._runtime.resource(Gateways).default, openings)
        return [each for each in results if isinstance(each, Opened)]

    async def _charge(self, opened: Opened) -> None:
        payment = opened.payment
        failure: BaseException | None = None
        try:
            with continue_trace(opened.traceparent):
                gateway = self._runtime.resource(Gateways)[payment.gateway]
                answer = await gateway.open(reconciliation.charge_request(payment, opened.token))
                await reconciliation.note(self._runtime, payment, answer)
        except BaseException as error:
            failure = error
            if not isinstance(error, Exception):
                raise
        finally:
            self._charging -= 1
            self._charged.set()
            self._end([payment.order_id], failure)

    def _end(self, order_ids: Iterable[UUID], failure: BaseException | None) -> None:
        for order_id in order_ids:
            future = self._results.pop(order_id)
            if future.done():
                continue
            if failure is None:
                future.set_result(None)
            elif isinstance(failure, asyncio.CancelledError):
                future.cancel()
            else:
                future.set_exception(failure)


async def _result(future: "asyncio.Future[None]") -> None:
    # Shielded, so that cancelling one caller does not cancel the result that another awaits.
    await asyncio.shield(future)


def _log_failure(future: "asyncio.Future[None]") -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        log.warning("payment_by_token_failed", error=repr(error))
