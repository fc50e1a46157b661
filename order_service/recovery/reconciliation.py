"""Compares the gateway's charges and refunds since the moment with the recovered payments: money of a known order is
booked on it, money of an unknown one is refunded."""

from datetime import timedelta
from uuid import UUID

import structlog

from order_service.orders import queries as orders
from order_service.payments import queries, settlement
from order_service.payments.gateways.port import Charge, GatewayRefund, NoResponse, PaymentGateway
from order_service.payments.gateways.registry import open_gateways
from order_service.payments.models import PaymentState, gateway_key
from order_service.settings import Settings
from service_kit.database import Database
from service_kit.problems import Unavailable
from service_kit.recovery import Journal

log = structlog.get_logger(__name__)

EARLIER = timedelta(minutes=5)
"""The gateway's clock may differ from ours."""
OPEN = (PaymentState.AUTHORISED, PaymentState.ACTION_REQUIRED)


async def reconcile(database: Database, journal: Journal, settings: Settings) -> None:
    """Raises: Unavailable, if the gateway doesn't answer; then the command is to be repeated."""
    async with open_gateways(settings) as gateways:
        for gateway in gateways.values():
            async for made in gateway.made_since(journal.moment - EARLIER):
                if isinstance(made, Charge):
                    await _book_charge(database, gateway, made, journal)
                else:
                    await _book_refund(database, gateway, made, journal)


async def _book_charge(database: Database, gateway: PaymentGateway, charge: Charge, journal: Journal) -> None:
    if not _is_ours(charge):
        return
    order_id = UUID(charge.order_reference)
    async with database.transaction() as tx:
        if await orders.EXISTS.fetchval(tx, order_id=order_id):
            known = await queries.stored_status(tx, _payment_id(charge))
            if known and not known.status.accepts(charge.state):
                return
            await settlement.settle(tx, [settlement.report_of(_payment_id(charge), order_id, gateway.name, charge)])
            journal.found["charges booked on their orders"] += 1
            return
    if charge.state is PaymentState.SUCCEEDED:
        key, reason = gateway_key("refund", _payment_id(charge)), "the order was lost"
        await _required(await gateway.refund(key, charge.id, charge.amount, reason))
        journal.note("charges of lost orders: refunded", charge.id)
    elif charge.state in OPEN:
        await _required(await gateway.cancel(gateway_key("cancel", _payment_id(charge)), charge.id))
        journal.note("charges of lost orders: cancelled", charge.id)


async def _book_refund(database: Database, gateway: PaymentGateway, refund: GatewayRefund, journal: Journal) -> None:
    async with database.transaction() as tx:
        if await queries.of_charge(tx, gateway.name, refund.charge_id) is not None:
            await settlement.apply_refund_report(tx, gateway.name, refund)
            journal.found["refunds compared with the gateway"] += 1


async def _required(answer: object) -> None:
    if isinstance(answer, NoResponse):
        raise Unavailable(what="The payment gateway", retry_after=2)


def _is_ours(charge: Charge) -> bool:
    """Others may use the same account."""
    try:
        _payment_id(charge), UUID(charge.order_reference)
    except ValueError:
        return False
    return charge.key.startswith("payment-")


def _payment_id(charge: Charge) -> UUID:
    return UUID(charge.key.removeprefix("payment-"))
