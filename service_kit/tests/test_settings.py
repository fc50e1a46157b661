"""Settings are read from the environment, files and defaults; contradicting or insecure ones are rejected."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from service_kit.settings import MigrationSettings, ServiceSettings

NEEDED = {
    "DATABASE_URL": "postgresql://x",
    "KAFKA_BOOTSTRAP_SERVERS": "k:1",
    "PUBLIC_ISSUER": "https://u",
    "PORT": "1",
}


class Shop(ServiceSettings, service="shop"):
    pay_within: int = 7


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)


def test_the_name_with_the_services_prefix_has_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAY_WITHIN", "8")
    assert Shop().pay_within == 8
    monkeypatch.setenv("SHOP_PAY_WITHIN", "9")
    assert Shop().pay_within == 9


def test_a_value_can_be_given_as_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://from-a-file\n")
    monkeypatch.setenv("SHOP_DATABASE_URL_FILE", str(tmp_path / "url"))
    assert Shop().database_url.get_secret_value() == "postgresql://from-a-file"


def test_the_environment_has_priority_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "settings").write_text("SHOP_PAY_WITHIN=5\nLOG_LEVEL=DEBUG\n")
    monkeypatch.setenv("ENV_FILE", str(tmp_path / "settings"))
    monkeypatch.setenv("SHOP_PAY_WITHIN", "6")
    assert (Shop().pay_within, Shop().log_level) == (6, "DEBUG")


def test_an_empty_value_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PAY_WITHIN", "")
    assert Shop().pay_within == 7


def test_missing_settings_are_reported_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    with pytest.raises(ValidationError, match="database_url"):
        Shop()


def test_production_rejects_any_origin() -> None:
    with pytest.raises(ValidationError, match="CORS_ORIGINS"):
        Shop(environment="production", cors_origins="*")


def test_secrets_are_not_printed() -> None:
    assert "postgresql" not in repr(Shop())


def test_an_invalid_setting_is_named_without_its_value() -> None:
    with pytest.raises(ValidationError) as rejected:
        Shop(session_pool_size="the-password-in-the-wrong-line")
    assert "session_pool_size" in str(rejected.value)
    assert "the-password-in-the-wrong-line" not in str(rejected.value)


@pytest.fixture
def nothing_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_ALLOW_PLAINTEXT", "false")
    monkeypatch.setenv("DATABASE_ALLOW_PLAINTEXT", "false")
    monkeypatch.setenv("DATABASE_URL", "postgresql://mart:x@database.example/mart")


@pytest.mark.usefixtures("nothing_allowed")
@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SASL_PLAINTEXT"])
def test_production_rejects_every_plain_text_connection(protocol: str) -> None:
    given: dict[str, Any] = {
        "kafka_security_protocol": protocol,
        "kafka_sasl_username": "shop",
        "kafka_sasl_password": "a password of tests",
    }
    with pytest.raises(ValidationError) as rejected:
        Shop(environment="production", **given)
    assert f"KAFKA_SECURITY_PROTOCOL: {protocol} is not encrypted" in str(rejected.value)
    assert "DATABASE_TLS: prefer also takes plain text" in str(rejected.value)
    Shop(environment="development", **given)
    Shop(environment="production", kafka_allow_plaintext=True, database_allow_plaintext=True, **given)
    Shop(environment="production", kafka_security_protocol="SSL", database_tls="verify-full")


@pytest.mark.usefixtures("nothing_allowed")
@pytest.mark.parametrize(
    ("url", "is_exposed"),
    [
        ("postgresql://mart@/mart?host=/run/postgresql", False),
        ("postgresql://mart@%2Frun%2Fpostgresql/mart", False),
        ("postgresql:///mart", False),
        ("postgresql://mart@localhost/mart", True),
        ("postgresql://mart@[::1]:5432/mart", True),
        ("postgresql://mart@/mart?host=database.example", True),
    ],
)
def test_a_database_needs_tls_unless_it_is_reached_by_a_unix_socket(url: str, is_exposed: bool) -> None:
    settings = Shop(environment="development", database_url=url)
    assert settings.database_is_exposed is is_exposed
    assert ("DATABASE_TLS" in dict(settings.plaintext_faults())) is is_exposed


def test_outside_payment_systems_are_named_one_by_one() -> None:
    assert Shop().trusted_payment_sources == frozenset()
    assert Shop(trusted_payment_sources="/acquirer, /other,").trusted_payment_sources == {"/acquirer", "/other"}


def test_migrating_needs_only_the_settings_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NEEDED.keys() - {"DATABASE_URL"}:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SHOP_DATABASE_OWNER_URL", "postgresql://owner@db/shop")
    settings = MigrationSettings.of("shop_service")
    assert settings.database_owner_url is not None
    assert settings.database_owner_url.get_secret_value() == "postgresql://owner@db/shop"
    monkeypatch.setenv("DATABASE_ALLOW_PLAINTEXT", "false")
    monkeypatch.setenv("DATABASE_URL", "postgresql://shop@db/shop")
    with pytest.raises(ValidationError, match="DATABASE_TLS"):
        MigrationSettings.of("shop_service")


def test_tls_is_not_set_in_a_url() -> None:
    with pytest.raises(ValidationError, match="set DATABASE_TLS instead"):
        Shop(database_url="postgresql://shop@db/shop?sslmode=require")
