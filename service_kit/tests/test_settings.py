"""Where a setting's value comes from."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from service_kit.settings import ServiceSettings

NEEDED = {
    "DATABASE_URL": "postgresql://x",
    "KAFKA_BOOTSTRAP_SERVERS": "k:1",
    "PUBLIC_ISSUER": "http://u",
    "PORT": "1",
}


class Shop(ServiceSettings, service="shop"):
    pay_within: int = 7


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)


def test_the_services_own_name_comes_before_the_common_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAY_WITHIN", "8")
    assert Shop().pay_within == 8
    monkeypatch.setenv("SHOP_PAY_WITHIN", "9")
    assert Shop().pay_within == 9


def test_a_value_can_be_given_as_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://from-a-file\n")
    monkeypatch.setenv("SHOP_DATABASE_URL_FILE", str(tmp_path / "url"))
    assert Shop().database_url.get_secret_value() == "postgresql://from-a-file"


def test_the_environment_comes_before_the_file_of_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "settings").write_text("SHOP_PAY_WITHIN=5\nLOG_LEVEL=DEBUG\n")
    monkeypatch.setenv("ENV_FILE", str(tmp_path / "settings"))
    monkeypatch.setenv("SHOP_PAY_WITHIN", "6")
    assert (Shop().pay_within, Shop().log_level) == (6, "DEBUG")


def test_an_empty_value_is_none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PAY_WITHIN", "")
    assert Shop().pay_within == 7


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    with pytest.raises(ValidationError, match="database_url"):
        Shop()


def test_production_refuses_any_origin() -> None:
    with pytest.raises(ValidationError, match="CORS_ORIGINS"):
        Shop(environment="production", cors_origins="*")


def test_secrets_are_not_printed() -> None:
    assert "postgresql" not in repr(Shop())


def test_a_setting_that_is_wrong_is_named_and_not_shown() -> None:
    with pytest.raises(ValidationError) as refused:
        Shop(session_pool_size="the-password-in-the-wrong-line")
    assert "session_pool_size" in str(refused.value)
    assert "the-password-in-the-wrong-line" not in str(refused.value)
