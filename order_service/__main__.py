"""`python -m order_service load-tax-rates`: adds the VAT rates of the European Union and the United Kingdom."""

import argparse
import asyncio
from collections.abc import Collection

from order_service.settings import Settings
from order_service.taxes import use_cases
from order_service.taxes.seed import seed_rates
from service_kit.database import Database


def main() -> None:
    known = sorted({rate.country for rate in seed_rates()})
    parser = argparse.ArgumentParser(prog="python -m order_service")
    commands = parser.add_subparsers(dest="command", required=True)
    help = "add VAT rates that are not configured yet; a tax adviser must check them"
    load = commands.add_parser("load-tax-rates", help=help, description=help)
    load.add_argument("--country", nargs="+", choices=known, default=known, metavar="CODE", help=" ".join(known))
    arguments = parser.parse_args()
    print(asyncio.run(load_tax_rates(Settings(), arguments.country)))  # noqa: T201 (the command's output)


async def load_tax_rates(settings: Settings, countries: Collection[str]) -> str:
    """Returns what was added and what was left as it is, for the console."""
    database = Database.of(settings)
    try:
        async with database.session() as tx:
            loaded = await use_cases.load_rates(tx, [rate for rate in seed_rates() if rate.country in countries])
    finally:
        await database.close()
    added = f"{loaded.zones} tax zones and {loaded.rates} rates were added. A tax adviser must check them."
    return "\n".join([*loaded.kept, added])


if __name__ == "__main__":
    main()
