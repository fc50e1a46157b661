"""The measured handler. Each event has two effects: a row in the inbox, and a notification."""

from contracts.events.order_notification import OrderPaid
from service_kit.database import Transaction
from service_kit.messaging import Envelope, consumes

INSERT = """
    INSERT INTO notifications (id, event_id, customer_id, kind, order_id, title, body, facts, created_at, told_at)
    SELECT uuidv7(), event_id, customer_id, 'order-paid', order_id, 'Paid: order ' || number,
           'We have your payment of ' || total || '.', json_build_object('number', number), now(), now()
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::int[])
         AS paid (event_id, customer_id, order_id, number, total)
"""


@consumes(OrderPaid, batch=True)
async def notify_customers(tx: Transaction, events: list[OrderPaid], envelopes: list[Envelope]) -> None:
    """Notifies customers that their orders are paid."""
    await tx.execute(
        INSERT,
        [envelope.id for envelope in envelopes],
        [event.user_id for event in events],
        [event.order_id for event in events],
        [event.number for event in events],
        [event.total.amount for event in events],
    )
