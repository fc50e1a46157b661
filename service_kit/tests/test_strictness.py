"""A service does not start with weak or misspelt settings, and names all of them in one message."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from local_stack.environment import EXAMPLE, ensure
from service_kit.settings import ServiceSettings
from service_kit.strictness import rejected_names
from tests.harness.service import NEEDED

ROOT = Path(__file__).parents[2]
SERVICES = ("user", "product", "inventory", "order", "notification")
STRONG = "a long secret, with variety: 0123456789"
SOUND: dict[str, dict[str, Any]] = {
    "user": {
        "key_encryption_secret": STRONG, "smtp_host": "mail.example", "web_url": "https://shop.example",
        "mail_from": "shop@shop.example",
    },
    "order": {"gateway_url": "https://gateway.example", "gateway_api_key": STRONG, "gateway_webhook_secret": STRONG},
    "notification": {"smtp_host": "mail.example", "mail_from": "shop@shop.example"},
}  # fmt: skip
COMMON = {
    "environment": "production", "database_url": "postgresql://x", "kafka_bootstrap_servers": "k:1",
    "public_issuer": "https://user.example", "kafka_allow_plaintext": True, "database_allow_plaintext": True,
}  # fmt: skip


def settings_of(service: str) -> type[ServiceSettings]:
    found: type[ServiceSettings] = importlib.import_module(f"{service}_service.settings").Settings
    return found


def made(service: str, **values: Any) -> ServiceSettings:
    return settings_of(service)(**{**COMMON, **SOUND.get(service, {}), **values})


def rejected(service: str, **values: Any) -> str:
    with pytest.raises(ValidationError) as error:
        made(service, **values)
    return str(error.value)


@pytest.mark.parametrize("service", SERVICES)
def test_valid_settings_are_accepted(service: str) -> None:
    assert made(service).has_docs is False
    assert made(service, environment="development").has_docs is True


@pytest.mark.parametrize("service", SERVICES)
def test_all_faults_for_production_are_in_one_message(service: str, tmp_path: Path) -> None:
    words = rejected(
        service, public_issuer="http://user.example", jwks_url="http://keys.example/", cors_origins="*,http://a.example",
        failpoints=tmp_path, docs=True, trusted_proxies="0.0.0.0/0",
    )  # fmt: skip
    for fault in ("PUBLIC_ISSUER", "JWKS_URL", "'*' is not accepted", "http://a.example", "FAILPOINTS", "DOCS",
                  "TRUSTED_PROXIES"):  # fmt: skip
        assert fault in words
    made(service, environment="development", public_issuer="http://user.example", cors_origins="*", docs=True)


BESIDE: dict[str, dict[str, Any]] = {"media_s3_secret_key": {"media_s3_access_key": "key"}}
"""What a secret can't be given without."""


@pytest.mark.parametrize("service", SERVICES)
def test_every_secret_of_every_service_is_checked(service: str) -> None:
    """Secrets are found by their type, so that a new one is checked without a change to this test."""
    fields = settings_of(service).model_fields
    secrets = [name for name, field in fields.items() if "SecretStr" in str(field.annotation)]
    assert "database_url" in secrets  # not checked: its password belongs to the database server
    for name in set(secrets) - {"database_url"}:
        for weak in ("x", "x" * 64, "abcabcabc" * 5):
            words = rejected(service, **{**BESIDE.get(name, {}), name: SecretStr(weak)})
            assert name in words.lower(), name
            assert "at least" in words, name
        assert weak not in rejected(service, **{**BESIDE.get(name, {}), name: SecretStr(weak)})
        assert made(service, **{**BESIDE.get(name, {}), name: SecretStr(STRONG)})
    made(service, environment="development", **NEEDED.get(service, {}))


def test_gateways_and_mail_servers_need_tls_unless_they_are_local() -> None:
    assert "GATEWAY_URL" in rejected("order", gateway_url="http://gateway.example")
    for own in ("http://localhost:8005", "http://127.0.0.1:8005", "http://gateway.shop.internal", "http://gateway"):
        assert made("order", gateway_url=own, plain_http_hosts="gateway, .shop.internal")
    assert "SMTP_STARTTLS" in rejected("notification", smtp_starttls=False)
    assert "WEB_URL" in rejected("user", web_url="http://shop.example")


def test_passwords_are_hashed_at_no_less_than_the_recommended_cost() -> None:
    for cheap in ({"password_memory_kib": 8}, {"password_memory_kib": 19_455}, {"password_rounds": 1}):
        assert "PASSWORD_MEMORY_KIB" in rejected("user", **cheap)


def test_field_and_production_faults_are_reported_together() -> None:
    words = rejected(
        "order", public_issuer="http://user.example", asyncpg_pool_size="many{braces}", gateway_api_key="x"
    )
    for fault in ("asyncpg_pool_size", "PUBLIC_ISSUER", "GATEWAY_API_KEY"):
        assert fault in words
    assert "many" not in words


@pytest.mark.parametrize("service", SERVICES)
def test_an_unknown_name_with_the_services_prefix_is_rejected(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = service.upper()
    monkeypatch.setenv(f"{prefix}_ASYNCPGPOOLSIZE", "7")
    monkeypatch.setenv("OTHER_ASYNCPGPOOLSIZE", "7")
    assert f"{prefix}_ASYNCPGPOOLSIZE: is no setting; {prefix}_ASYNCPG_POOL_SIZE is" in rejected(service)
    assert "OTHER" not in rejected(service)


@pytest.mark.parametrize("service", SERVICES)
def test_variables_added_by_kubernetes_are_recognised(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = service.upper()
    links = {
        "SERVICE_HOST": "10.96.0.7", "SERVICE_PORT": "80", "SERVICE_PORT_HTTP": "80", "PORT_80_TCP_ADDR": "10.96.0.7",
        "API_SERVICE_HOST": "10.96.0.8", "API_PORT": "tcp://10.96.0.8:80",
    }  # fmt: skip
    for name, value in links.items():
        monkeypatch.setenv(f"{prefix}_{name}", value)
    assert made(service)
    monkeypatch.setenv(f"{prefix}_PORT", "tcp://10.96.0.7:80")
    assert f"{prefix}_PORT: is a Kubernetes service link" in rejected(service)
    assert "enableServiceLinks: false" in rejected(service)


def test_a_setting_with_a_former_name_is_rejected_with_its_new_one() -> None:
    renamed = {"PAY_IN": "PAY_WITHIN", "PAY_NEVER": "is gone: orders are always paid"}
    given = {"PAY_IN": "1", "ORDER_PAY_IN_FILE": "/x", "ORDER_PAY_NEVER": "1", "ORDER_PAY_WITHIN": "1", "PATH": "/bin"}
    fields = settings_of("order").model_fields
    assert [tuple(fault) for fault in rejected_names(given, "order", fields, renamed)] == [
        ("ORDER_PAY_IN_FILE", "is now PAY_WITHIN"),
        ("ORDER_PAY_NEVER", "is gone: orders are always paid"),
        ("PAY_IN", "is now PAY_WITHIN"),
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_the_example_has_no_name_that_a_service_rejects(service: str, tmp_path: Path) -> None:
    given = ensure(tmp_path / ".env", {}, example=EXAMPLE)
    assert list(rejected_names(given, service, settings_of(service).model_fields, {})) == []


def test_the_process_reports_faults_without_a_traceback(tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "ENV_FILE": os.devnull,
        "ORDER_PAYWITHIN": "1",
        "PUBLIC_ISSUER": "http://u",
    }
    command = [sys.executable, "-m", "service_kit", "serve", "order_service"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    for words in (
        "DATABASE_URL: Field required",
        "ORDER_PAYWITHIN",
        "GATEWAY_API_KEY",
        "PUBLIC_ISSUER: write https://",
    ):
        assert words in done.stderr
    assert "Traceback" not in done.stderr
