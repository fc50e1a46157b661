"""The product service: the catalogue, its prices, and a copy of the stock levels."""

from fastapi import FastAPI

from product_service.categories import endpoints as categories
from product_service.families import endpoints as families
from product_service.personal_data import PERSONAL_DATA
from product_service.price_lists import endpoints as price_lists
from product_service.price_lists import jobs as price_list_jobs
from product_service.price_rules import consumers as price_rule_consumers
from product_service.price_rules import endpoints as price_rules
from product_service.price_rules import jobs as price_rule_jobs
from product_service.prices import endpoints as prices
from product_service.products import endpoints as products
from product_service.products.jobs import JOBS
from product_service.search import endpoints as search
from product_service.settings import Settings
from service_kit.http.application import create_app


def create(settings: Settings | None = None) -> FastAPI:
    return create_app(
        settings or Settings(),
        title="Online Mart · products",
        description="The catalogue: categories, products, their prices, and how many pieces are available.",
        routers=[
            categories.router,
            search.router,
            products.router,
            prices.router,
            price_lists.router,
            price_rules.router,
            families.router,
        ],
        personal_data=PERSONAL_DATA,
        consumers=[price_rule_consumers],
        jobs=[*JOBS, *price_list_jobs.JOBS, *price_rule_jobs.JOBS],
    )
