"""Opens the registries that the settings name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from order_service.settings import Settings
from order_service.taxes.registries.port import TaxIdRegistries
from order_service.taxes.registries.vies import open_vies


@asynccontextmanager
async def open_registries(settings: Settings) -> AsyncIterator[TaxIdRegistries]:
    if settings.tax_id_registry == "none":
        yield TaxIdRegistries()
        return
    async with open_vies(settings.vies_url, settings.vies_requester, settings.vies_timeout_seconds) as vies:
        yield TaxIdRegistries([vies])
