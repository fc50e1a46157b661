"""Every Kafka client uses the user, password and certificates of the settings."""

import ast
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from service_kit.connection_settings import KafkaSettings
from service_kit.messaging.connection import KafkaConnection

ROOT = Path(__file__).parents[3]
CLIENTS = {"AIOKafkaConsumer", "AIOKafkaProducer", "AIOKafkaAdminClient", "AIOKafkaClient"}
# Files that may connect without: the brokers of tests and benchmarks require no authentication.
WITHOUT_SETTINGS = ("test_", "shop.py", "delivery.py")


def _clients() -> Iterator[tuple[str, ast.Call]]:
    for path in ROOT.rglob("*.py"):
        if ".venv" in path.parts or ".local" in path.parts or path.name.startswith(WITHOUT_SETTINGS):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLIENTS:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_every_client_is_made_with_the_connections_arguments() -> None:
    found = dict(_clients())
    assert len(found) > 8
    for where, call in found.items():
        spread = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg is None]
        assert any(value.endswith(".arguments()") for value in spread), f"{where}: no **connection.arguments()"


def test_sasl_and_tls_reach_the_client() -> None:
    settings = KafkaSettings(
        kafka_bootstrap_servers="k:1",
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_mechanism="SCRAM-SHA-256",
        kafka_sasl_username="order",
        kafka_sasl_password="secret",
    )
    arguments = KafkaConnection.of(settings).arguments()
    tls = arguments.pop("ssl_context")
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert arguments == {
        "bootstrap_servers": "k:1",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "order",
        "sasl_plain_password": "secret",
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"kafka_security_protocol": "SASL_SSL"}, "KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD: needed"),
        ({"kafka_ca_file": "/ca.pem"}, "uses no certificates"),
        ({"kafka_security_protocol": "SSL", "kafka_certificate_file": "/c.pem"}, "give both or neither"),
        ({"kafka_security_protocol": "TLS"}, "Input should be 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'"),
    ],
)
def test_settings_that_contradict_each_other_are_rejected(given: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        KafkaSettings.model_validate({"kafka_bootstrap_servers": "k:1", **given})
