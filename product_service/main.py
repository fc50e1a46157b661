"""The product service: the catalogue, its prices, and a copy of the stock levels."""

from fastapi import FastAPI

from product_service import order_events
from product_service.attributes import endpoints as attributes
from product_service.categories import endpoints as categories
from product_service.collections import endpoints as collections
from product_service.families import endpoints as families
from product_service.imports import endpoints as imports
from product_service.imports import jobs as import_jobs
from product_service.media import endpoints as media
from product_service.media import jobs as media_jobs
from product_service.media.resources import open_images
from product_service.personal_data import PERSONAL_DATA, personal_data
from product_service.price_lists import endpoints as price_lists
from product_service.price_lists import jobs as price_list_jobs
from product_service.price_rules import consumers as price_rule_consumers
from product_service.price_rules import endpoints as price_rules
from product_service.price_rules import jobs as price_rule_jobs
from product_service.prices import endpoints as prices
from product_service.products import endpoints as products
from product_service.products import jobs as product_jobs
from product_service.related import endpoints as related
from product_service.related import jobs as related_jobs
from product_service.reviews import endpoints as reviews
from product_service.search import endpoints as search
from product_service.settings import Settings
from product_service.translations import endpoints as translations
from product_service.vocabulary import endpoints as synonyms
from product_service.vocabulary import jobs as vocabulary_jobs
from service_kit.http.application import create_app

ENDPOINTS = (
    *(categories, collections, imports, search, products, prices, price_lists, price_rules, families),
    *(attributes, synonyms, reviews, related, translations, media),
)

JOBS = (product_jobs, related_jobs, media_jobs, price_list_jobs, price_rule_jobs, vocabulary_jobs, import_jobs)


def create(settings: Settings | None = None) -> FastAPI:
    settings = settings or Settings()
    return create_app(
        settings,
        title="Online Mart · products",
        description="The catalogue: categories, products, their prices and images, and how many pieces are available.",
        routers=[*(each.router for each in ENDPOINTS), media.owners],
        personal_data=personal_data(PERSONAL_DATA, settings),
        consumers=[price_rule_consumers, order_events],
        jobs=[job for each in JOBS for job in each.JOBS],
        lifespan=open_images,
    )
