"""The file of VAT rates, and the command that loads it."""

import sys

import pytest

from order_service.__main__ import load_tax_rates, main
from order_service.pricing.tax import EU
from order_service.settings import Settings
from order_service.taxes.seed import seed_rates
from order_service.tests.conftest import Shop
from order_service.tests.taxes.conftest import Json, MakeRate, MakeZone

ALL = sorted(EU | {"GB"})
RATES = list(seed_rates())


def test_the_file_has_one_standard_rate_of_each_country() -> None:
    assert sorted(rate.country for rate in RATES if rate.tax_class == "standard") == ALL
    assert len({(rate.country, rate.tax_class) for rate in RATES}) == len(RATES)
    assert len({(rate.country, rate.zone) for rate in RATES}) == len(ALL)
    standard = {rate.country: rate.rate for rate in RATES if rate.tax_class == "standard"}
    assert all(150_000 <= rate <= 270_000 for rate in standard.values())
    assert all(rate.rate < standard[rate.country] for rate in RATES if rate.tax_class != "standard")


async def load(shop: Shop, *countries: str) -> str:
    assert isinstance(shop.runtime.settings, Settings)
    return await load_tax_rates(shop.runtime.settings, countries or ALL)


async def listed(shop: Shop, path: str, **params: str) -> list[Json]:
    items: list[Json] = (await shop.staff.get(path, params={"limit": 100, **params})).json()["items"]
    return items


async def test_loading_adds_all_rates_once(shop: Shop) -> None:
    assert f"{len(ALL)} tax zones and {len(RATES)} rates" in await load(shop)
    zones, rates = await listed(shop, "/tax/zones"), await listed(shop, "/tax/rates")
    assert (sorted(zone["countries"][0] for zone in zones), len(rates)) == (ALL, len(RATES))
    version = await shop.execute("SELECT version FROM commerce_rules")
    assert (await load(shop)).startswith("0 tax zones and 0 rates")
    assert await listed(shop, "/tax/rates") == rates
    assert await shop.execute("SELECT version FROM commerce_rules") == version


async def test_only_the_named_countries_are_loaded(shop: Shop) -> None:
    await load(shop, "GB")
    [zone] = await listed(shop, "/tax/zones")
    assert (zone["name"], zone["countries"]) == ("United Kingdom", ["GB"])
    found = {rate["tax_class"]: rate["rate"] for rate in await listed(shop, "/tax/rates")}
    assert found == {"standard": "0.20", "reduced": "0.05", "zero": "0.00"}


async def test_what_is_configured_stays(shop: Shop, make_zone: MakeZone, make_rate: MakeRate) -> None:
    mine, both = await make_zone("GB", name="Mine", mode="down"), await make_zone("DE", "FR")
    changed = await make_rate(mine, "0.21", name="Mine")
    said = await load(shop, "GB", "DE", "FR", "IT")
    assert "GB: the rate Mine stays" in said
    assert "DE: the zone DE FR has other countries too" in said
    rates = await listed(shop, "/tax/rates", zone_id=mine["id"])
    assert [rate for rate in rates if rate["tax_class"] == "standard"] == [changed]
    assert await listed(shop, "/tax/rates", zone_id=both["id"]) == []
    assert [zone["name"] for zone in await listed(shop, "/tax/zones")] == ["DE FR", "Italy", "Mine"]


def test_an_unknown_country_is_rejected(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["order_service", "load-tax-rates", "--country", "US"])
    with pytest.raises(SystemExit):
        main()
    assert "invalid choice: 'US'" in capsys.readouterr().err
