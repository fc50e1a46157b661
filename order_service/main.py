"""The order service: carts, orders, payments, returns."""

from fastapi import FastAPI

from order_service.carts import endpoints as carts
from order_service.catalogue import consumers as catalogue_consumers
from order_service.fulfilment import consumers as fulfilment_consumers
from order_service.fulfilment import endpoints as fulfilment
from order_service.fulfilment.jobs import JOBS as ORDER_JOBS
from order_service.invoices import endpoints as invoices
from order_service.invoices.jobs import JOBS as INVOICE_JOBS
from order_service.orders import endpoints as orders
from order_service.payments import consumers as payment_consumers
from order_service.payments import endpoints as payments
from order_service.payments.jobs import JOBS as PAYMENT_JOBS
from order_service.personal_data import PERSONAL_DATA
from order_service.quotes import endpoints as quotes
from order_service.resources import open_resources
from order_service.returns import consumers as return_consumers
from order_service.returns import endpoints as returns
from order_service.settings import Settings
from service_kit.http.application import create_app


def create(settings: Settings | None = None) -> FastAPI:
    return create_app(
        settings or Settings(),
        title="Online Mart · orders",
        description="Carts, orders, their payments and returns. An order is placed without asking any other service.",
        routers=[
            carts.router,
            quotes.router,
            orders.router,
            fulfilment.router,
            payments.router,
            payments.refund_router,
            returns.router,
            invoices.router,
        ],
        personal_data=PERSONAL_DATA,
        consumers=[catalogue_consumers, fulfilment_consumers, payment_consumers, return_consumers],
        jobs=[*ORDER_JOBS, *PAYMENT_JOBS, *INVOICE_JOBS],
        lifespan=open_resources,
    )
