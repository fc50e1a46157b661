"""Sends the deliveries that are due. Each channel has its own job, so that a slow channel does not delay others."""

from datetime import timedelta
from functools import partial

from notification_service.channels import CHANNELS, Channel, Message
from notification_service.deliveries import queries
from notification_service.deliveries.models import Status
from service_kit.jobs import Job
from service_kit.queue import Worker
from service_kit.runtime import Runtime


async def send_due(channel: Channel, runtime: Runtime) -> bool:
    """Sends one batch. Returns whether there may be more. Each customer's formerly withheld ones are sent in order."""

    async def handle(delivery: Message) -> str:
        if delivery.withheld is not None:
            return Status.WITHHELD
        await channel.send(runtime, delivery)
        return Status.SENT

    return await Worker(
        queries.QUEUE,
        channel.backoff,
        partial(queries.claim, channel=channel),
        handle,
        queries.finish,
        channel.concurrency(runtime),
        group=lambda delivery: delivery.customer_id if delivery.in_order else delivery.id,
    ).run(runtime.database)


JOBS = [
    Job(f"send-{channel.name}", partial(send_due, channel), every=timedelta(seconds=0.5), woken_by=queries.DUE)
    for channel in CHANNELS
]
