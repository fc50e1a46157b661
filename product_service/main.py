"""The product service: the catalogue, its prices, and a copy of the stock levels."""

from fastapi import FastAPI

from product_service.attributes import endpoints as attributes
from product_service.availability import consumers as availability
from product_service.categories import endpoints as categories
from product_service.families import endpoints as families
from product_service.personal_data import PERSONAL_DATA
from product_service.prices import endpoints as prices
from product_service.products import endpoints as products
from product_service.products import jobs as product_jobs
from product_service.search import endpoints as search
from product_service.settings import Settings
from product_service.vocabulary import endpoints as synonyms
from product_service.vocabulary import jobs as vocabulary_jobs
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
            families.router,
            attributes.router,
            synonyms.router,
        ],
        personal_data=PERSONAL_DATA,
        consumers=[availability],
        jobs=[*product_jobs.JOBS, *vocabulary_jobs.JOBS],
    )
