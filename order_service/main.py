"""The order service: carts, orders, payments, returns."""

from fastapi import FastAPI

from order_service.annotations import endpoints as annotations
from order_service.carts import endpoints as carts
from order_service.catalogue import consumers as catalogue_consumers
from order_service.drafts import endpoints as drafts
from order_service.drafts.jobs import JOBS as DRAFT_JOBS
from order_service.fulfilment import consumers as fulfilment_consumers
from order_service.fulfilment import endpoints as fulfilment
from order_service.fulfilment.jobs import JOBS as ORDER_JOBS
from order_service.invoices import endpoints as invoices
from order_service.invoices.jobs import JOBS as INVOICE_JOBS
from order_service.orders import endpoints as orders
from order_service.payment_links import endpoints as payment_links
from order_service.payment_links.jobs import JOBS as LINK_JOBS
from order_service.payments import consumers as payment_consumers
from order_service.payments import endpoints as payments
from order_service.payments.jobs import JOBS as PAYMENT_JOBS
from order_service.personal_data import PERSONAL_DATA
from order_service.previews import endpoints as previews
from order_service.promotions import endpoints as promotions
from order_service.promotions.jobs import JOBS as PROMOTION_JOBS
from order_service.quotes import endpoints as quotes
from order_service.resources import open_resources
from order_service.returns import consumers as return_consumers
from order_service.returns import endpoints as returns
from order_service.search import endpoints as search
from order_service.search.jobs import JOBS as SEARCH_JOBS
from order_service.settings import Settings
from order_service.shipping import endpoints as shipping
from order_service.tax_report import endpoints as tax_report
from order_service.taxes import endpoints as taxes
from order_service.taxes.jobs import JOBS as TAX_JOBS
from service_kit.http.application import create_app

ROUTERS = [
    carts.router,
    quotes.router,
    drafts.router,
    search.router,  # before the orders, whose `/orders/{order_id}` would match `/orders/export`
    orders.router,
    annotations.router,
    fulfilment.router,
    payments.router,
    payments.refund_router,
    payment_links.router,
    returns.router,
    taxes.router,
    taxes.tax_id_router,
    tax_report.router,
    promotions.router,
    previews.router,
    shipping.zone_router,
    shipping.method_router,
    invoices.router,
]
JOBS = [
    *ORDER_JOBS,
    *PAYMENT_JOBS,
    *DRAFT_JOBS,
    *INVOICE_JOBS,
    *LINK_JOBS,
    *PROMOTION_JOBS,
    *SEARCH_JOBS,
    *TAX_JOBS,
]


def create(settings: Settings | None = None) -> FastAPI:
    return create_app(
        settings or Settings(),
        title="Online Mart · orders",
        description="Carts, orders, their payments and returns. An order is placed without asking any other service.",
        routers=ROUTERS,
        personal_data=PERSONAL_DATA,
        consumers=[catalogue_consumers, fulfilment_consumers, payment_consumers, return_consumers],
        jobs=JOBS,
        lifespan=open_resources,
    )
