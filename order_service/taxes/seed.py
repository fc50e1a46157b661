"""VAT rates to begin with: a file that a command loads. A tax adviser must check them first, as the file says."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from order_service.pricing.rates import parts_per_million

FILE = Path(__file__).parent / "data" / "vat_rates.csv"


@dataclass(frozen=True, slots=True)
class SeedRate:
    """A rate of a country, in parts per million. `zone`: the name of the zone to create if the country is in none."""

    country: str
    zone: str
    tax_class: str
    rate: int
    name: str
    starts_at: datetime


def seed_rates(file: Path = FILE) -> Iterator[SeedRate]:
    lines = (line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    for row in csv.DictReader(lines):
        starts_at = datetime.fromisoformat(row["since"]).replace(tzinfo=UTC)
        words = row["country"], row["zone"], row["tax_class"]
        yield SeedRate(*words, parts_per_million(row["rate"]), row["name"], starts_at)
