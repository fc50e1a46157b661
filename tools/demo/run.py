"""All of the demo data: accounts, catalogue, stock, orders. A second run creates only what is missing."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from local_stack.parts import SERVICES
from local_stack.shop import Shop
from tools import container_secrets
from tools.accounts import Account
from tools.api import Api, connections
from tools.demo.orders import ALL, PASSING, SHIP_TO, DemoShop, numbers, place_missing
from tools.demo.presenting import present
from tools.demo.pricing import set_prices
from tools.demo.selling import prepare_selling
from tools.demo.stocking import stock_up

CUSTOMER_NAME, STAFF_NAME = "Ada King", "Grace Hopper"


@dataclass(frozen=True)
class Demo:
    """The services and accounts of the demo data. `tools.demo.orders` explains why it needs the database."""

    urls: Mapping[str, str]
    admin: Account
    staff: Account
    customer: Account
    order_database_url: str

    @classmethod
    def of(cls, shop: Shop) -> "Demo":
        urls = {service.name: shop.url(service.name) for service in SERVICES}
        return cls._with(urls, shop.settings, shop.database_url("order"))

    @classmethod
    def with_secrets(cls, directory: Path, urls: Mapping[str, str]) -> "Demo":
        """For services that run elsewhere, with the secrets that `container_secrets` made for them."""
        return cls._with(urls, container_secrets.settings(directory), (directory / "order_database_url").read_text())

    @classmethod
    def _with(cls, urls: Mapping[str, str], settings: Mapping[str, str], order_database_url: str) -> "Demo":
        admin, staff, customer = (Account.of(settings, role) for role in ("Admin", "SubAdmin", "User"))
        return cls(urls, admin, staff, customer, order_database_url)

    def make(self) -> dict[str, str]:
        """Creates what is missing. Returns the number of an order by kind (`orders.ALL`). Raises: StackError."""
        return asyncio.run(self._make())

    async def _make(self) -> dict[str, str]:
        async with connections() as http:
            admin = Api(http, self.urls, self.admin.email, self.admin.password)
            await _account(admin, self.staff, STAFF_NAME, "SubAdmin")
            await _account(admin, self.customer, CUSTOMER_NAME, "User")
            staff = admin.signed_in_as(self.staff.email, self.staff.password)
            customer = admin.signed_in_as(self.customer.email, self.customer.password)
            products = await stock_up(staff)
            await prepare_selling(staff)
            await present(staff, customer, products)
            await set_prices(staff, products)
            await customer.find_or_create("user", "/users/me/addresses", SHIP_TO)
            existing = await numbers(customer)
            if ALL.keys() - existing:
                await place_missing(DemoShop(customer, staff, products, self.order_database_url), existing)
                existing = await numbers(customer)
            return existing


def table(orders: Mapping[str, str], customer: str) -> Table:
    drawn = Table("Status", "Order", title=f"Orders of {customer}")
    for status in ALL:
        drawn.add_row(status, orders.get(status, ""))
    for status in PASSING:
        drawn.add_row(status, f"passes in milliseconds: see the history of order {orders.get('cancelled', '')}")
    return drawn


async def _account(admin: Api, account: Account, name: str, role: str) -> None:
    found = await admin.all("user", "/users", q=account.email)
    if not any(each["email"] == account.email.lower() for each in found):
        body = {"email": account.email, "password": account.password, "full_name": name, "roles": [role]}
        await admin.post("user", "/users", body)
