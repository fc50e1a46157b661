"""Mail servers with implicit TLS, as on port 465."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from notification_service.settings import Settings
from service_kit.mail import Mailer
from service_kit.queue import Unreachable
from tests.harness.certificates import Authority
from tests.harness.smtp_server import SmtpServer, post_office


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def office(authority: Authority) -> AsyncIterator[SmtpServer]:
    """A mail server with a certificate for `localhost`."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*authority.issue("mail", "localhost"))
    async with post_office(tls) as opened:
        yield opened


def settings(**given: Any) -> Settings:
    return Settings(
        database_url="postgresql://x@localhost/x",
        kafka_bootstrap_servers="k:1",
        public_issuer="https://users.test",
        mail_from="shop@example.com",
        **{"smtp_host": "localhost", **given},
    )


@asynccontextmanager
async def mailer(office: SmtpServer, **given: Any) -> AsyncIterator[Mailer]:
    made = Mailer(settings(smtp_port=office.port, **given))
    try:
        yield made
    finally:
        await made.close()


def message() -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "shop@example.com", "ada@example.com", "A lantern"
    made.set_content("It is on its way.")
    return made


async def test_mail_is_sent_by_implicit_tls(office: SmtpServer, authority: Authority) -> None:
    """In production, STARTTLS is required unless this is set."""
    async with mailer(office, environment="production", smtp_tls=True, smtp_ca_file=authority.ca_file) as made:
        await made.send(message(), "ada@example.com")
    assert [mail["Subject"] for mail in office.mails] == ["A lantern"]


@pytest.mark.parametrize(
    "given",
    [{"smtp_tls": True}, {"smtp_tls": True, "smtp_host": "127.0.0.1", "trusted": True}],
    ids=["unknown authority", "certificate of another host"],
)
async def test_no_mail_is_sent_to_a_server_with_an_untrusted_certificate(
    office: SmtpServer, authority: Authority, given: dict[str, Any]
) -> None:
    chosen = dict(given)
    if chosen.pop("trusted", False):
        chosen["smtp_ca_file"] = authority.ca_file
    async with mailer(office, **chosen) as made:
        with pytest.raises(Unreachable, match=r"(?i)certificate"):
            await made.send(message(), "ada@example.com")
    assert office.mails == []


def test_implicit_tls_and_starttls_cannot_be_combined() -> None:
    with pytest.raises(ValidationError, match="SMTP_TLS and SMTP_STARTTLS: set one of them"):
        settings(smtp_tls=True, smtp_starttls=True)
