"""The demo's catalogue. `products.csv` has real products of the data set in `tools/data` (see its README), with the
prices of December 2010 in pence, and with descriptions that were written for the demo. Their SKUs differ from the
file's stock codes, so that a replay doesn't find them."""

import csv
from pathlib import Path
from typing import NamedTuple

CURRENCY = "GBP"
# Minimum quantity → percent of the price that a piece then costs.
TIERS = {12: 90, 100: 80}

# Category → its parent.
CATEGORIES = {
    "Home": None,
    "Candles & lights": "Home",
    "Clocks & frames": "Home",
    "Keeping warm": "Home",
    "Kitchen & table": None,
    "Baking": "Kitchen & table",
    "Tea & table": "Kitchen & table",
    "Bags & storage": None,
    "Gifts & play": None,
    "Christmas": None,
}

LONDON, MANCHESTER = "LON-1", "MAN-1"


class DemoProduct(NamedTuple):
    """`price` in pence; `attributes`: colour and material; `stock`: pieces by warehouse."""

    sku: str
    category: str
    name: str
    price: int
    description: str
    attributes: dict[str, str]
    stock: dict[str, int]


def _read(row: dict[str, str]) -> DemoProduct:
    attributes = {name: row[name] for name in ("colour", "material")}
    stock = {code: int(row[code]) for code in (LONDON, MANCHESTER) if row[code]}
    words = (row["sku"], row["category"], row["name"], int(row["price"]), row["description"])
    return DemoProduct(*words, attributes, stock)


with Path(__file__).with_name("products.csv").open(newline="", encoding="utf-8") as file:
    PRODUCTS = tuple(map(_read, csv.DictReader(file)))

WAREHOUSES = {
    LONDON: {
        "name": "London East",
        "address": {"line1": "4 Dock Road", "city": "London", "postal_code": "E16 1AA", "country": "GB"},
    },
    MANCHESTER: {
        "name": "Manchester",
        "address": {"line1": "17 Mill Lane", "city": "Manchester", "postal_code": "M4 5AD", "country": "GB"},
    },
}
# By the code of the warehouse that they supply.
SUPPLIERS = {
    LONDON: {"name": "Hanford Ceramics", "email": "orders@hanford.example", "phone": "+44 20 7946 0000"},
    MANCHESTER: {"name": "Northern Gift Company", "email": "sales@northern-gift.example", "phone": "+44 161 496 0000"},
}
