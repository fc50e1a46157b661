"""The inventory service: warehouses, suppliers, stock, reservations, shipments and returns."""

from datetime import timedelta

from fastapi import FastAPI

from inventory_service.catalogue import consumers as catalogue_consumers
from inventory_service.personal_data import PERSONAL_DATA
from inventory_service.reservations import consumers as reservation_consumers
from inventory_service.reservations import endpoints as reservations
from inventory_service.reservations import use_cases as reservation_use_cases
from inventory_service.returns import consumers as return_consumers
from inventory_service.returns import endpoints as returns
from inventory_service.returns import use_cases as return_use_cases
from inventory_service.settings import Settings
from inventory_service.shipments import consumers as shipment_consumers
from inventory_service.shipments import endpoints as shipments
from inventory_service.stock import endpoints as stock
from inventory_service.stock import use_cases as stock_use_cases
from inventory_service.stock.models import STOCK_CHANGED
from inventory_service.suppliers import endpoints as suppliers
from inventory_service.warehouses import endpoints as warehouses
from service_kit.http.application import create_app
from service_kit.jobs import Job


def create(settings: Settings | None = None) -> FastAPI:
    return create_app(
        settings or Settings(),
        title="Online Mart · inventory",
        description="Warehouses, suppliers, stock and its ledger, what orders have reserved, shipments and returns.",
        routers=[
            warehouses.router,
            suppliers.router,
            stock.router,
            reservations.router,
            shipments.router,
            shipments.dispatches,
            returns.router,
        ],
        personal_data=PERSONAL_DATA,
        consumers=[
            reservation_consumers,
            shipment_consumers,
            return_consumers,
            catalogue_consumers,
        ],
        jobs=[
            Job(
                "publish-stock-levels",
                stock_use_cases.publish_levels,
                every=timedelta(milliseconds=100),
                woken_by=STOCK_CHANGED,
                at_most_every=timedelta(milliseconds=100),
            ),
            Job("expire-batches", stock_use_cases.expire_batches, every=timedelta(seconds=5)),
            Job("expire-reservations", reservation_use_cases.expire, every=timedelta(seconds=5)),
            Job("close-overdue-returns", return_use_cases.close_overdue, every=timedelta(minutes=1)),
        ],
    )
