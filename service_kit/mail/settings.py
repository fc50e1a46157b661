"""Settings of a service that sends e-mail."""

from collections.abc import Iterator
from email.utils import parseaddr
from pathlib import Path

from pydantic import Field, SecretStr, field_validator, model_validator

from service_kit.settings import ServiceSettings
from service_kit.strictness import Fault, may_be_plain


class MailSettings(ServiceSettings):
    """The mail server, and the sender of the mails."""

    smtp_host: str
    smtp_port: int = Field(default=587, gt=0, lt=65536)
    smtp_username: str | None = Field(default=None, description="default: no authentication")
    smtp_password: SecretStr | None = None
    smtp_starttls: bool | None = Field(
        default=None, description="true: require TLS; false: never; default: require in production, else if offered"
    )
    smtp_tls: bool = Field(default=False, description="TLS from the first byte, as on port 465, instead of STARTTLS")
    smtp_ca_file: Path | None = Field(default=None, description="CA of its certificate; default: the system's")
    smtp_connections: int = Field(default=8, ge=1, le=100, description="at the same time; each sends one e-mail")
    mail_from: str = Field(description="sender of all e-mails: `Online Mart <no-reply@example.com>`")

    def production_faults(self) -> Iterator[Fault]:
        yield from super().production_faults()
        if self.smtp_starttls is False and self.smtp_host and not may_be_plain(self.smtp_host, self):
            yield Fault("SMTP_STARTTLS", "not false in production: mails hold codes that reset passwords")

    @field_validator("mail_from")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        local, _, domain = parseaddr(value)[1].rpartition("@")
        if not local or not domain or any(c in value for c in "\r\n"):
            raise ValueError(f"MAIL_FROM: {value!r} is no address; write `Online Mart <no-reply@example.com>`")
        return value

    @model_validator(mode="after")
    def _one_way_to_tls(self) -> "MailSettings":
        if self.smtp_tls and self.smtp_starttls:
            raise ValueError("SMTP_TLS and SMTP_STARTTLS: set one of them; TLS begins at once, or after asking")
        return self

    @property
    def start_tls(self) -> bool | None:
        """The parameter `start_tls` of the SMTP client; None: only if the server offers it."""
        if self.smtp_tls:
            return False
        if self.smtp_starttls is None and self.environment == "production":
            return True
        return self.smtp_starttls
